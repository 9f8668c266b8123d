//! Tests the device with a small file server that requires Basic and serves files set by the test.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, web};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use super::*;
use crate::{
    host::SimHost,
    pbx::{Pbx, PbxConfig, PbxUser},
    server::SimServer,
};

const MAC: &str = "000413112233";

/// Files by path, the required credentials, and the recorded User-Agents.
#[derive(Debug, Default)]
struct Files {
    files: HashMap<String, String>,
    login: Option<(String, String)>,
    scheme: &'static str,
    broken: bool,
    agents: Vec<String>,
}

fn answer(files: &mut Files, request: &HttpRequest) -> HttpResponse {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    files.agents.push(header("user-agent"));
    if files.broken {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let Some(file) = files.files.get(request.path()) else { return HttpResponse::NotFound().finish() };
    if let Some((user, password)) = &files.login {
        let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
        if header("authorization") != expected {
            let challenge = format!("{} realm=\"r\"", files.scheme);
            return HttpResponse::Unauthorized().insert_header(("WWW-Authenticate", challenge)).finish();
        }
    }
    HttpResponse::Ok().body(file.clone())
}

struct Bench {
    files: Board<Files>,
    server: SimServer,
    pbx: Pbx,
    network: SipNetwork,
    host: SimHost,
}

impl Bench {
    async fn new() -> Self {
        let host = SimHost::start().unwrap();
        let handle = host.handle();
        let files = Board::new(Files { scheme: "Basic", ..Files::default() });
        let file_list = files.clone();
        let server = SimServer::start(&handle, move |services| {
            let files = file_list.clone();
            services.default_service(web::to(move |request: HttpRequest| {
                let answer = files.change(|files| answer(files, &request));
                async move { answer }
            }));
        })
        .await
        .unwrap();
        let pbx = Pbx::start(&handle, PbxConfig::default()).await.unwrap();
        for name in ["alice", "bob"] {
            let mut user = PbxUser::new(name, name, "pw");
            user.devices.push(json!({ "hw": format!("{MAC}-{name}"), "tls": true }));
            let _ = pbx.add_user(user);
        }
        let network = SipNetwork::default();
        network.change(|names| names.insert("pbx.example.com".into(), pbx.register_url()));
        Self { files, server, pbx, network, host }
    }

    fn phone(&self, model: SnomModel, redirection: bool) -> SnomPhone {
        let redirection = redirection.then(|| format!("{}/redirection", self.server.base()));
        SnomPhone::new(&self.host.handle(), MAC.parse().unwrap(), model, redirection, self.network.clone())
    }

    fn file(&self, path: &str, inside: &str) {
        let text = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<settings>{inside}</settings>\n");
        self.files.change(|files| files.files.insert(path.into(), text));
    }

    fn login(&self, user: &str, password: &str) {
        self.files.change(|files| files.login = Some((user.into(), password.into())));
    }
}

fn identity(transport: &str) -> String {
    format!(
        "<phone-settings e=\"2\"><user_active idx=\"1\">on</user_active><user_name idx=\"1\">alice</user_name>\
         <user_pass idx=\"1\">pw</user_pass><user_host idx=\"1\">pbx.example.com</user_host>\
         <user_outbound idx=\"1\">pbx.example.com:5061;transport={transport}</user_outbound></phone-settings>"
    )
}

#[actix_rt::test]
async fn a_fresh_phone_is_led_to_its_files_and_registers() {
    let bench = Bench::new().await;
    let phone = bench.phone(model::D785, true);
    let lost = phone.boot().await.unwrap();
    assert_eq!(lost.pairs(), [("snomD785.htm", 404), ("snomD785-000413112233.htm", 404)]);
    assert!(lost.redirected && !lost.registered);
    let base = bench.server.base();
    bench.file(
        "/redirection/snomD785-000413112233.htm",
        &format!("<phone-settings><setting_server perm=\"RW\">{base}/t/abc/</setting_server></phone-settings>"),
    );
    bench.file("/t/abc/snomD785.htm", "<phone-settings/>");
    let own = "<phone-settings><http_client_user perm=\"R\">own</http_client_user><http_client_pass perm=\"R\">key\
               </http_client_pass><prov_polling_enabled>on</prov_polling_enabled><prov_polling_period>3600\
               </prov_polling_period></phone-settings>";
    bench.file("/t/abc/snomD785-000413112233.htm", &(identity("tls") + own));
    let report = phone.boot().await.unwrap();
    assert_eq!(
        report.pairs(),
        [
            ("snomD785.htm", 404),
            ("snomD785-000413112233.htm", 200),
            ("snomD785.htm", 200),
            ("snomD785-000413112233.htm", 200),
        ]
    );
    assert!(report.registered, "{report:?}");
    let agents = bench.files.read(|files| files.agents.clone());
    assert!(agents.iter().all(|agent| agent.starts_with("Mozilla/4.0 (compatible; snomD785-SIP 10.1.33.33 ")));
    // From now on the phone uses its own URL, and its own credentials when the server requests them.
    bench.login("own", "key");
    let report = phone.poll_once().await.unwrap();
    assert!(report.unchanged && report.registered && !report.redirected);
    assert_eq!(report.pairs()[2..], [("snomD785-000413112233.htm", 401), ("snomD785-000413112233.htm", 200)]);
    bench.files.change(|files| files.scheme = "Digest");
    assert_eq!(phone.poll_once().await.unwrap().pairs().last(), Some(&("snomD785-000413112233.htm", 401)));
    phone.factory_reset();
    assert!(phone.boot().await.unwrap().redirected);
}

#[actix_rt::test]
async fn what_the_file_says_decides_about_the_registration() {
    let bench = Bench::new().await;
    let phone = bench.phone(model::D315, false);
    phone.set_server(&format!("{}/x/{{mac}}.xml", bench.server.base()));
    for (file, reason) in [
        (identity("tcp").replace(">alice<", ">000413112233-alice<"), "TLS only"),
        (identity("udp"), "transport udp"),
        (identity("tls").replace("pw", "wrong"), "wrong password"),
        (identity("tls").replace("pbx.example.com:", "nowhere:"), "resolved"),
    ] {
        bench.file("/x/000413112233.xml", &file);
        let report = phone.boot().await.unwrap();
        assert_eq!(report.pairs(), [("000413112233.xml", 200)]);
        let error = report.registrations[0].outcome.clone().unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
    bench.file("/x/000413112233.xml", &identity("tls"));
    assert!(phone.boot().await.unwrap().registered);
    assert_eq!(bench.pbx.board().read(|state| state.refused_regs.len()), 3);
}

#[actix_rt::test]
async fn a_settings_url_may_name_a_file_carry_credentials_and_be_broken() {
    let bench = Bench::new().await;
    let phone = bench.phone(model::D713, false);
    bench.login("boot", "s@crate");
    let base = bench.server.base().replace("http://", "http://boot:s%40crate@");
    phone.set_server(&format!("{base}/a/start.htm"));
    bench.file("/a/start.htm", "<setting-files><file url=\"BASE/a/more.xml\"/></setting-files>");
    let start = bench.files.read(|files| files.files["/a/start.htm"].replace("BASE", &base));
    bench.files.change(|files| files.files.insert("/a/start.htm".into(), start));
    bench.files.change(|files| files.files.insert("/a/start-000413112233.htm".into(), "<p>no</p>".into()));
    bench.file("/a/more.xml", &identity("tls"));
    let report = phone.boot().await.unwrap();
    let fetched: Vec<&str> =
        report.pairs().iter().filter(|(_, status)| *status == 200).map(|(file, _)| *file).collect();
    assert_eq!(fetched, ["start.htm", "start-000413112233.htm", "more.xml"]);
    assert_eq!(report.ignored.len(), 1);
    assert!(report.registered);
    bench.files.change(|files| files.broken = true);
    let report = phone.boot().await.unwrap();
    assert!(report.failed && report.unchanged && report.registered);
}

#[actix_rt::test]
async fn a_base_registers_one_account_per_handset() {
    let bench = Bench::new().await;
    let base = bench.phone(model::M900, false);
    base.set_server(&format!("{}/b/", bench.server.base()));
    let extension = |index: u32, name: &str, handset: &str| {
        format!(
            "<user_active idx=\"{index}\">on</user_active><user_name idx=\"{index}\">{name}</user_name>\
             <user_pname idx=\"{index}\">{name}</user_pname><user_pass idx=\"{index}\">pw</user_pass>\
             <subscr_sip_hs_idx idx=\"{index}\">{handset}</subscr_sip_hs_idx>\
             <subscr_sip_ua_data_server_id idx=\"{index}\">1</subscr_sip_ua_data_server_id>"
        )
    };
    let server = "<user_host idx=\"1\">pbx.example.com</user_host><srv_sip_transport idx=\"1\">tls</srv_sip_transport>";
    let name = "snomM900-000413112233.htm";
    let both = extension(1, "alice", "1") + &extension(2, "bob", "2");
    bench.file(&format!("/b/{name}"), &format!("<phone-settings>{server}{both}</phone-settings>"));
    let report = base.boot().await.unwrap();
    assert_eq!(report.pairs(), [("snomM900.htm", 404), (name, 200)]);
    assert!(report.registered && report.registrations.len() == 2, "{report:?}");
    let agents = bench.files.read(|files| files.agents.clone());
    assert_eq!(agents[0], "Mozilla/4.0 (compatible; Snom M900 05.20.0001 000413112233)");
    // An account that no handset uses is not registered.
    let lonely = extension(1, "alice", "");
    bench.file(&format!("/b/{name}"), &format!("<phone-settings>{server}{lonely}</phone-settings>"));
    assert!(!base.boot().await.unwrap().registered);
}
