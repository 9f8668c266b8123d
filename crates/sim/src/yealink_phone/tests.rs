//! Tests the phone with a small file server that requires Digest and serves files set by the test.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{credentials::md5, *};
use crate::{
    host::SimHost,
    pbx::{Pbx, PbxConfig, PbxUser},
    server::SimServer,
    yealink_rps::{RpsEntry, RpsServer, YealinkRps},
};

const MAC: &str = "805ec0112233";

/// Files by name, the required credentials, and the recorded User-Agents.
#[derive(Debug, Default)]
struct Files {
    files: HashMap<String, String>,
    login: Option<(String, String)>,
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
    let path = request.path();
    let Some(file) = path.rsplit('/').next().and_then(|name| files.files.get(name)) else {
        return HttpResponse::NotFound().finish();
    };
    if let Some((user, password)) = &files.login {
        let given = header("authorization");
        let part = |name: &str| {
            let (_, after) = given.split_once(&format!(" {name}="))?;
            Some(after.trim_start_matches('"').split(['"', ',']).next()?.to_owned())
        };
        let expected = || {
            let (ha1, ha2) = (md5(&format!("{user}:r:{password}")), md5(&format!("GET:{path}")));
            let (nc, cnonce) = (part("nc")?, part("cnonce")?);
            (part("uri")? == path).then(|| md5(&format!("{ha1}:n0:{nc}:{cnonce}:auth:{ha2}")))
        };
        if part("response").is_none() || part("response") != expected() {
            let challenge = "Digest realm=\"r\", nonce=\"n0\", algorithm=MD5, qop=\"auth\"";
            return HttpResponse::Unauthorized().insert_header(("WWW-Authenticate", challenge)).finish();
        }
    }
    HttpResponse::Ok().body(file.clone())
}

struct Bench {
    files: Board<Files>,
    server: SimServer,
    pbx: Pbx,
    rps: YealinkRps,
    network: SipNetwork,
    host: SimHost,
}

impl Bench {
    async fn new() -> Self {
        let host = SimHost::start().unwrap();
        let handle = host.handle();
        let files = Board::new(Files::default());
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
        let mut user = PbxUser::new("alice", "Alice", "pw");
        user.devices.push(json!({ "hw": MAC, "tls": true }));
        let _ = pbx.add_user(user);
        let rps = YealinkRps::start(&handle, "u", "p").await.unwrap();
        let network = SipNetwork::default();
        network.change(|names| names.insert("pbx.example.com".into(), pbx.register_url()));
        Self { files, server, pbx, rps, network, host }
    }

    fn phone(&self, model: YealinkModel) -> YealinkPhone {
        let (mac, rps) = (MAC.parse().unwrap(), Some(self.rps.phone_url()));
        YealinkPhone::new(&self.host.handle(), mac, model, rps, self.network.clone())
    }

    fn redirect(&self) {
        let url = self.server.base().replace("http://", "http://boot:s%40crate@") + "/t/abc/";
        self.rps.board().change(|state| {
            state.servers.insert("s".into(), RpsServer { owner: "u".into(), url });
            state.phones.insert(MAC.into(), RpsEntry { owner: "u".into(), server: "s".into(), unique_url: None });
        });
    }

    fn file(&self, name: &str, lines: &str) {
        let text = format!("#!version:1.0.0.1\n{lines}");
        self.files.change(|files| files.files.insert(name.into(), text));
    }

    fn login(&self, user: &str, password: &str) {
        self.files.change(|files| files.login = Some((user.into(), password.into())));
    }
}

fn account(transport: &str) -> String {
    format!(
        "account.1.enable = 1\naccount.1.user_name = {MAC}\naccount.1.auth_name = alice\naccount.1.password = pw\n\
         account.1.sip_server.1.address = pbx.example.com\naccount.1.sip_server.1.transport_type = {transport}\n"
    )
}

#[actix_rt::test]
async fn a_fresh_phone_is_led_to_its_files_and_registers() {
    let bench = Bench::new().await;
    let phone = bench.phone(model::T54W);
    let lost = phone.boot().await.unwrap();
    assert_eq!((lost.redirect_status, lost.registered, lost.requests.len()), (Some(404), false, 0));
    bench.redirect();
    bench.login("boot", "s@crate");
    bench.file("y000000000096.cfg", "local_time.time_format = 1\n");
    let own = "static.auto_provision.server.username = own\nstatic.auto_provision.server.password = key\n\
               static.auto_provision.repeat.enable = 1\n";
    bench.file(&format!("{MAC}.cfg"), &(account("2") + own));
    let report = phone.boot().await.unwrap();
    let cfg = format!("{MAC}.cfg");
    assert_eq!(
        report.pairs(),
        [
            ("805ec0112233.boot", 404),
            ("y000000000000.boot", 404),
            ("y000000000096.cfg", 401),
            ("y000000000096.cfg", 200),
            (cfg.as_str(), 401),
            (cfg.as_str(), 200),
        ]
    );
    assert!(report.registered, "{report:?}");
    assert_eq!(bench.pbx.registration(MAC).unwrap().transport, "tls");
    let agents = bench.files.read(|files| files.agents.clone());
    assert!(agents.iter().all(|agent| agent == "Yealink SIP-T54W 96.86.0.70 80:5e:c0:11:22:33"));
    // From now on the phone uses its own credentials. It does nothing if the files are unchanged.
    bench.login("own", "key");
    let report = phone.poll_once().await.unwrap();
    assert!(report.unchanged && report.registered && report.redirect_status.is_none());
    bench.file(&cfg, "account.1.enable = 0\nstatic.auto_provision.repeat.enable = %NULL%\n");
    let report = phone.poll_once().await.unwrap();
    assert!(!report.unchanged && !report.registered);
    assert!(phone.poll_once().await.unwrap().requests.is_empty());
    phone.factory_reset();
    bench.login("boot", "s@crate");
    assert_eq!(phone.boot().await.unwrap().redirect_status, Some(302));
}

#[actix_rt::test]
async fn what_the_file_says_decides_about_the_registration() {
    let bench = Bench::new().await;
    let phone = bench.phone(model::T31P);
    phone.set_server(&format!("{}/x", bench.server.base()), None);
    let cfg = format!("{MAC}.cfg");
    for (lines, reason) in [
        (account("1"), "TLS only"),
        (account("0"), "transport udp"),
        (account("2").replace("pw", "wrong"), "wrong password"),
        (account("2").replace("pbx.example.com", "nowhere"), "resolved"),
    ] {
        bench.file(&cfg, &lines);
        let report = phone.boot().await.unwrap();
        let error = report.registrations[0].outcome.clone().unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
    bench.file(&cfg, &account("2"));
    assert!(phone.boot().await.unwrap().registered);
    assert_eq!(bench.pbx.board().read(|state| state.refused_regs.len()), 3);
}

#[actix_rt::test]
async fn old_phones_ask_for_no_boot_file_and_know_old_names() {
    let bench = Bench::new().await;
    let phone = bench.phone(model::T48G_OLD);
    phone.set_server(&bench.server.base(), None);
    let old = "account.1.enable = 1\naccount.1.user_name = alice\naccount.1.auth_name = alice\n\
               account.1.password = pw\naccount.1.sip_server_host = pbx.example.com\naccount.1.transport = 2\n\
               auto_provision.mode = 6\nauto_provision.schedule.periodic_minute = 30\n";
    bench.file("y000000000035.cfg", old);
    let report = phone.boot().await.unwrap();
    assert_eq!(report.pairs(), [("y000000000035.cfg", 200), ("805ec0112233.cfg", 404)]);
    assert!(report.registered, "{report:?}");
    assert_eq!(phone.board().read(|flash| flash.settings.repeat_minutes(true)), Some(30));
}

#[actix_rt::test]
async fn a_failing_server_is_tried_three_times_and_then_left_alone() {
    let bench = Bench::new().await;
    let phone = bench.phone(model::T46U);
    phone.set_server(&bench.server.base(), Some(("a", "b")));
    bench.file(&format!("{MAC}.cfg"), &(account("2") + "static.auto_provision.repeat.enable = 1\n"));
    assert!(phone.boot().await.unwrap().registered);
    bench.files.change(|files| files.broken = true);
    let report = phone.poll_once().await.unwrap();
    assert!(report.given_up);
    assert_eq!(report.pairs(), [("805ec0112233.boot", 503); 3]);
    bench.files.change(|files| files.broken = false);
    assert!(phone.poll_once().await.unwrap().requests.is_empty());
    assert!(!phone.boot().await.unwrap().given_up);
}

#[actix_rt::test]
async fn a_boot_file_that_exists_replaces_the_usual_files() {
    let bench = Bench::new().await;
    let phone = bench.phone(model::T58W);
    phone.set_server(&bench.server.base(), None);
    bench.file(&format!("{MAC}.boot"), "include:config \"one.cfg\"\n");
    bench.file("one.cfg", &account("2"));
    let report = phone.boot().await.unwrap();
    assert_eq!(report.pairs(), [("805ec0112233.boot", 200), ("one.cfg", 200)]);
    assert!(report.registered);
}
