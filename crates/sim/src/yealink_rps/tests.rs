//! Tests the service with an independent XML-RPC client: Python's.

use super::*;
use crate::{fetch, host::SimHost, python_client};

const SCRIPT: &str = r#"
import sys, xmlrpc.client
at = sys.argv[1].replace("http://", "http://rps-user:rps-password@")
r = xmlrpc.client.ServerProxy(at).redirect
mac = "80-5E-C0-11-22-33"
print(r.checkDevice(mac))
print(r.registerDevice(mac, "srv"))
print(r.addServer("srv", "http://user:p%40ss@gw:1/x/"))
print(r.addServer("srv", "http://gw/"))
print(r.registerDevice(mac, "srv", "1"))
print(r.checkDevice(mac))
print(r.listDevices())
print(r.registerDeviceWithUniqueUrl(mac, "srv", "http://u:p@gw:1/t/?a=1&b=2", "1"))
print(r.registerDevice(["805ec0112234", "805ec0112235"], "srv", "1"))
try:
    r.deleteServer("srv")
except xmlrpc.client.Fault as fault:
    print("fault", fault.faultCode)
try:
    xmlrpc.client.ServerProxy(sys.argv[1]).redirect.listDevices()
except xmlrpc.client.ProtocolError as error:
    print(error.errcode)
"#;

#[actix_rt::test]
async fn a_foreign_client_gets_along_with_it() {
    let host = SimHost::start().unwrap();
    let rps = YealinkRps::start(&host.handle(), "rps-user", "rps-password").await.unwrap();
    for pretty in [false, true] {
        rps.switch(|switches| switches.pretty = pretty);
        rps.board().change(|state| {
            state.phones.clear();
            state.servers.clear();
        });
        let url = rps.xmlrpc_url();
        let lines = python_client::run(SCRIPT, url).await;
        // The client does not trim: an untyped text next to the boolean arrives as it was sent.
        assert_eq!(
            lines,
            [
                "[True, 'Unregistered']",
                "[False, 'Error:Invalid server']",
                "[True, 'OK']",
                "[False, 'Error: The server name has been used']",
                "[True, 'OK']",
                "[True, 'Registered']",
                "[True, ['805ec0112233']]",
                "[True, 'OK']",
                "[True, 'OK']",
                "fault 0",
                "401",
            ]
        );
    }
    let mac = "805ec0112233".parse().unwrap();
    assert_eq!(rps.target(mac).as_deref(), Some("http://u:p@gw:1/t/?a=1&b=2"));
    assert_eq!(rps.calls("checkDevice").len(), 4);
    assert_eq!(rps.board().read(|state| state.refused_logins), 2);
    let url = rps.phone_url();
    let ask = move |mac: &'static str| {
        let url = format!("{url}/service.do?method=redirect&mac={mac}");
        let host = host.handle();
        async move { host.run(move |_| async move { fetch::get(&url, &[]).await.unwrap() }).await }
    };
    let answer = ask("80-5E-C0-11-22-34").await;
    assert_eq!(answer.unwrap().header("location"), "http://user:p%40ss@gw:1/x/");
}

#[actix_rt::test]
async fn it_can_be_away_and_can_be_held() {
    let host = SimHost::start().unwrap();
    let rps = YealinkRps::start(&host.handle(), "u", "p").await.unwrap();
    let mac: Mac = "805ec0112233".parse().unwrap();
    let url = rps.xmlrpc_url();
    let call = |method: &str| {
        let body = format!(
            "<methodCall><methodName>redirect.{method}</methodName><params><param><value>{mac}</value></param>\
             </params></methodCall>"
        );
        let (url, host) = (url.clone(), host.handle());
        let post = move |_| async move {
            let headers = [("Authorization", "Basic dTpw")];
            fetch::post(&url, &headers, body.into_bytes()).await.map(|answer| answer.status)
        };
        async move { host.run(post).await }
    };
    rps.switch(|switches| switches.status = Some(500));
    assert_eq!(call("checkDevice").await.unwrap(), Ok(500));
    rps.switch(|switches| switches.status = None);
    rps.stop().await;
    assert!(call("checkDevice").await.unwrap().is_err());
    rps.start_again().await.unwrap();
    rps.add_foreign_phone(mac, "http://other/");
    rps.gates().arm("checkDevice answer");
    let (status, ()) = tokio::join!(call("checkDevice"), async {
        rps.gates().wait_until_held("checkDevice answer").await.unwrap();
        assert_eq!(rps.calls("checkDevice")[0].answer, "Registered Elsewhere");
        rps.gates().release("checkDevice answer");
    });
    assert_eq!(status.unwrap(), Ok(200));
}
