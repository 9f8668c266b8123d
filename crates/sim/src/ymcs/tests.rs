//! Tests the service with an independent HTTP client: Python's.

use super::*;
use crate::{fetch, host::SimHost, python_client};

const SCRIPT: &str = r#"
import base64, json, sys, time, urllib.request, urllib.error, uuid
base = sys.argv[1] + "/v2/"
def call(path, body, auth, nonce=None, method="POST"):
    nonce = nonce or uuid.uuid4().hex
    head = {"timestamp": str(int(time.time() * 1000)), "nonce": nonce, "Content-Type": "application/json"}
    if auth: head["Authorization"] = auth
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data=data, headers=head, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["code"]
basic = "Basic " + base64.b64encode(b"key:secret").decode()
grant = {"grant_type": "client_credentials"}
print(call("token", grant, "Basic eDp5"))
status, answer = call("token", grant, basic)
print(status, answer["token_type"], answer["expires_in"])
bearer = "Bearer " + answer["access_token"]
mac = "805ec0112233"
print(call("rps/listDevices", {"skip": 0, "limit": 10, "filter": {"mac": mac}}, bearer))
print(call("rps/devices", {"mac": mac, "uniqueServerUrl": "http://gw/t/"}, bearer))
print(call("rps/devices", {"mac": "80:5E:C0:11:22:33", "sn": "S1", "uniqueServerUrl": "http://gw/t/"}, bearer)[0])
print(call("rps/devices", {"mac": mac, "sn": "S1"}, bearer))
print(call("rps/devices", {"mac": "805ec0ffffff", "sn": "S1"}, bearer))
listed = call("rps/listDevices", {"filter": {"mac": "112233"}}, bearer)[1]
print(listed["total"], listed["data"][0]["uniqueServerUrl"])
print(call("rps/devices/" + listed["data"][0]["id"], {"uniqueServerUrl": "http://gw/u/"}, bearer, method="PATCH"))
print(call("rps/devices/nonsense", {}, bearer, method="PATCH"))
print(call("rps/addDevicesByMac", [{"mac": "805ec0112234"}], bearer))
print(call("rps/delDevices", {"deviceIdType": "mac", "deviceIds": ["805ec0999999"]}, bearer)[1]["failureCount"])
print(call("rps/listServers", {}, bearer, nonce="n")[0], call("rps/listServers", {}, bearer, nonce="n"))
print(call("rps/listServers", None, bearer), call("rps/listServers", {}, "Bearer x"), call("rps/x", {}, bearer))
"#;

#[actix_rt::test]
async fn a_foreign_client_gets_along_with_it() {
    let host = SimHost::start().unwrap();
    let ymcs = Ymcs::start(&host.handle(), "key", "secret").await.unwrap();
    ymcs.add_foreign_phone("805ec0ffffff".parse().unwrap(), "http://theirs/");
    let url = ymcs.url();
    let lines = python_client::run(SCRIPT, url).await;
    assert_eq!(
        lines,
        [
            "(401, 70012)",
            "200 bearer 86400",
            "(200, {'skip': 0, 'limit': 10, 'total': 0, 'data': None})",
            "(400, 800002)",
            "201",
            "(400, 800003)",
            "(400, 800004)",
            "1 http://gw/t/",
            "(204, None)",
            "(400, 900400)",
            "(403, 900403)",
            "1",
            "200 (403, 500403)",
            "(412, 900444) (401, 900401) (404, 900404)",
        ]
    );
    let base = ymcs.phone_url();
    let ask = move |mac: &'static str| {
        let url = format!("{base}/service.do?method=redirect&mac={mac}");
        let host = host.handle();
        async move { host.run(move |_| async move { fetch::get(&url, &[]).await.unwrap() }).await.unwrap() }
    };
    assert_eq!(ask("80-5E-C0-11-22-33").await.header("location"), "http://gw/u/");
    assert_eq!(ask("80-5E-C0-99-99-99").await.status, 404);
}
