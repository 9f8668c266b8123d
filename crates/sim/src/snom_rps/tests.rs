//! Tests the service with an independent XML-RPC client: Python's.

use super::*;
use crate::{fetch, host::SimHost, python_client};

const SCRIPT: &str = r#"
import sys, xmlrpc.client
at = sys.argv[1].replace("http://", "http://me:secret@")
service = xmlrpc.client.ServerProxy(at)
r = service.redirect
mac = "000413AABBCC"
print(service.network.echo("ping"))
print(r.checkPhone(mac))
print(r.registerPhone(mac, "gopher://gw/"))
print(r.registerPhone("00-04-13-AA-BB-CC", "http://gw/"))
print(r.registerPhone(mac, "http://gw/a/?x=1&y=2"))
print(r.checkPhone(mac))
print(r.getPhoneRedirection(mac))
print(r.registerPhone(mac, "http://gw/b/"))
print(r.deregisterPhone("000413000001"))
print(r.deregisterPhone("000413aabbcd"))
try:
    r.noSuchMethod()
except xmlrpc.client.Fault as fault:
    print("fault", fault.faultCode)
try:
    xmlrpc.client.ServerProxy(sys.argv[1]).redirect.checkPhone(mac)
except xmlrpc.client.ProtocolError as error:
    print(error.errcode)
"#;

#[actix_rt::test]
async fn a_foreign_client_gets_along_with_it() {
    let host = SimHost::start().unwrap();
    let rps = SnomRps::start(&host.handle(), "me", "secret").await.unwrap();
    rps.add_foreign_phone("000413aabbcd".parse().unwrap(), "http://theirs/");
    let url = rps.xmlrpc_url();
    let lines = python_client::run(SCRIPT, url).await;
    assert_eq!(
        lines,
        [
            "[True, 'ping']",
            "[False, 'Error:no_such_mac']",
            "[False, 'Error:malformed_url']",
            "[False, 'Error:malformed_mac']",
            "[True, 'Ok']",
            "[True, 'Ok']",
            "[True, 'Example Company', 'http://gw/a/?x=1&y=2']",
            "[True, 'Ok']",
            "[False, 'Error:no_such_mac']",
            "[False, 'Error:owned_by_other_user']",
            "fault 0",
            "401",
        ]
    );
    assert_eq!(rps.target("000413aabbcc".parse().unwrap()).as_deref(), Some("http://gw/b/"));
    let base = rps.phone_url();
    let ask = move |mac: &'static str| {
        let url = format!("{base}/snom370/snom370.php?mac={mac}");
        let host = host.handle();
        async move { host.run(move |_| async move { fetch::get(&url, &[]).await.unwrap() }).await.unwrap() }
    };
    assert_eq!(ask("000413AABBCC").await.body, b"setting_server: http://gw/b/\n");
    let unknown = ask("000413AABBFF").await;
    assert_eq!((unknown.status, unknown.body.as_slice()), (200, &b""[..]));
}
