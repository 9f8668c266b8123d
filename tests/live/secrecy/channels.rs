//! Further channels through which a secret could leak: scripts, other services and their errors, imports, rotation,
//! mistakes.

use std::fs;

use gangway::{api::rest::ROUTES, app, phone::facet::RedirectState};
use gangway_base::mac::Mac;
use gangway_sim::{
    devices::ConfigItem, snom_phone, snom_rps::SnomRps, users::ProvisionRequest, yealink_phone::YealinkPhone,
    ymcs::Ymcs,
};
use serde_json::{Value, json};

use super::Fixture;
use crate::support::{http, page::Page};

/// Passwords that Devices deploys for services other than the PBX.
const TURN: &str = "M4rk<&\"'%+/=;turn 3c2d";
const LOG_SERVER: &str = "M4rk<&\"'%+/=;log 9e0f";
const SNOM_USER: &str = "M4rk<&\"'%+/=;snom 41aa";
const SNOM_RPS: &str = "M4rk<&\"'%snom-rps 77b0";
const YMCS: &str = "M4rk-ymcs-secret-5f5f";
const IMPORTED: &str = "M4rk<&'%+/=imported 12ab";
const MISTYPED: &str = "M4rk-mistyped-secret-0c0c";
/// Prefix of the tokens issued by the simulated cloud.
const CLOUD_TOKEN: &str = "of-the-simulator";

impl Fixture {
    pub fn further_marks(&mut self) {
        for (name, secret) in [
            ("the TURN password", TURN),
            ("the log server's password", LOG_SERVER),
            ("the Snom user's password", SNOM_USER),
            ("Snom's old account", SNOM_RPS),
            ("the secret of YMCS", YMCS),
            ("an imported password", IMPORTED),
            ("a secret in a refused request", MISTYPED),
            ("a token of YMCS", CLOUD_TOKEN),
        ] {
            self.marks.add(name, secret);
        }
    }

    /// Deploys passwords through Devices; the phone receives them with its next file.
    pub fn deploy(&self) {
        let media = json!({ "type": "MEDIA", "turnServer": "turn.example.com", "turnUsername": "turner", "turnPassword": TURN });
        let alarm = json!({ "type": "ALARM_SERVER", "logUrl": "https://log.example.com/", "logUser": "logger", "logPassword": LOG_SERVER });
        for content in [media, alarm] {
            self.simulation.devices.push_item(&ConfigItem { categories: Vec::new(), content });
        }
    }

    async fn set(&self, page: &mut Page, values: Value) {
        let answer = page.ask("SettingsSet", json!({ "scope": "instance", "values": values })).await;
        assert_eq!(answer.get("error"), None, "{answer}");
    }

    async fn read_page(&mut self, page: &mut Page, what: &str, mac: Mac) {
        for message in ["Phone", "History", "Config", "Diff", "Notices"] {
            for part in page.parts(message, json!({ "mac": mac, "count": 500 })).await {
                self.out.add(format!("admin page: {message}, {what}"), part.to_string());
            }
        }
    }

    /// Provisions a Snom phone with SRAPS and with its older interface, and provokes the errors of both for a wrong
    /// secret.
    pub async fn snom(&mut self, mac: Mac) {
        let url = format!("ws://{}/example.com/gangway", self.site.http);
        let mut page = Page::open(&self.simulation, &url).await;
        let _ = self.simulation.pbx.add_user(gangway_sim::pbx::PbxUser::new("snommer", "Snom User", SNOM_USER));
        let answer =
            self.simulation.users.provision(ProvisionRequest::new(&mac.to_string(), "snommer", "Snom")).await.unwrap();
        assert!(answer.ok, "{:?}", answer.error);
        let record = self.records.wait_redirect(mac, RedirectState::Redirected).await;
        self.marks.add("the Snom's token", record.token.expose());
        self.marks.add("the Snom's own password", record.own.password.expose());
        let phone = self.simulation.add_snom_phone(mac, snom_phone::model::D785);
        assert!(phone.boot().await.unwrap().registered);
        phone.poll_once().await.unwrap();
        self.read_page(&mut page, "Snom", mac).await;

        self.set(&mut page, json!({ "redirect.snom.password": MISTYPED })).await;
        page.act(mac, "redirect-again", json!({})).await;
        self.records.wait_phone(mac, "SRAPS refuses", |phone| phone.redirect.error.is_some()).await;
        self.read_page(&mut page, "SRAPS refuses", mac).await;

        let older = SnomRps::start(&self.simulation.host(), "snom-rps", SNOM_RPS).await.unwrap();
        self.set(
            &mut page,
            json!({
                "redirect.snom.protocol": "snom-xmlrpc", "redirect.snom.url": older.xmlrpc_url(),
                "redirect.snom.user": "snom-rps", "redirect.snom.password": SNOM_RPS,
            }),
        )
        .await;
        page.act(mac, "redirect-again", json!({})).await;
        self.records.wait_redirect(mac, RedirectState::Redirected).await;
        self.set(&mut page, json!({ "redirect.snom.password": MISTYPED })).await;
        page.act(mac, "redirect-again", json!({})).await;
        self.records.wait_phone(mac, "the older interface refuses", |phone| phone.redirect.error.is_some()).await;
        self.read_page(&mut page, "Snom's older interface refuses", mac).await;
    }

    /// Uses Yealink's current cloud with a phone that requires a serial number, and with a wrong secret.
    pub async fn ymcs(&mut self, mac: Mac) {
        let url = format!("ws://{}/example.com/gangway", self.site.http);
        let mut page = Page::open(&self.simulation, &url).await;
        let cloud = Ymcs::start(&self.simulation.host(), "access-key", YMCS).await.unwrap();
        self.set(
            &mut page,
            json!({
                "redirect.yealink.protocol": "yealink-ymcs", "redirect.yealink.url": cloud.url(),
                "redirect.yealink.user": "access-key", "redirect.yealink.password": YMCS,
            }),
        )
        .await;
        let answer = self
            .simulation
            .users
            .provision(ProvisionRequest::new(&mac.to_string(), "marked", "Yealink"))
            .await
            .unwrap();
        self.records.wait_redirect(mac, RedirectState::Refused).await;
        assert!(!cloud.paths().is_empty(), "the cloud was asked");
        self.out.add("ProvisioningPhoneResult of YMCS", answer.raw.to_string());
        self.read_page(&mut page, "YMCS wants a serial number", mac).await;
        self.set(&mut page, json!({ "redirect.yealink.password": MISTYPED })).await;
        page.act(mac, "redirect-again", json!({})).await;
        let tested = page.ask("RedirectTest", json!({ "vendor": "yealink" })).await;
        self.out.add("admin page: RedirectTest of YMCS", tested.to_string());
        self.read_page(&mut page, "YMCS refuses", mac).await;
    }

    /// Rotates the phone's credentials and lets the phone use the new ones.
    pub async fn rotated(&mut self, mac: Mac, phone: &YealinkPhone) {
        let done = self.site.run(&["phones", "rotate", &mac.to_string()]);
        self.out.command("phones rotate", &done);
        let record = self.records.wait_phone(mac, "new credentials", |phone| phone.former.is_some()).await;
        self.marks.add("the rotated password", record.own.password.expose());
        // The serving gateway sees the command's change shortly afterwards. Until then the phone gets its old file.
        let used = async {
            while self.records.phone(mac).is_none_or(|phone| phone.former.is_some()) {
                phone.poll_once().await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(crate::support::records::TIMEOUT, used).await.expect("the new credentials are used");
    }

    /// Imports a table with passwords, including invalid lines.
    pub async fn imported(&mut self, good: Mac) -> String {
        let table = format!(
            "mac;user;password\n{good};user1;{IMPORTED}\nno-mac-at-all;user2;{IMPORTED}\n{good};{IMPORTED};{IMPORTED};{IMPORTED}\n"
        );
        let file = self.site.data().with_file_name("phones.csv");
        fs::write(&file, &table).unwrap();
        for arguments in [&["--dry-run"][..], &["--wait", "--category", "1"]] {
            let done = self.site.run(&[&["phones", "import", file.to_str().unwrap()], arguments].concat());
            self.out.add(format!("phones import {arguments:?}"), [done.stdout, done.stderr].concat());
        }
        fs::remove_file(&file).unwrap();
        self.records.wait_phone(good, "imported", |phone| !phone.accounts.is_empty()).await;
        table
    }

    /// Calls every route that returns data, and provokes the error messages for scripts.
    pub async fn scripts(&mut self, mac: Mac, table: &str) {
        let made = self.site.run(&["tokens", "create", "reader", "--scope", "write", "--json"]);
        let token: Value = serde_json::from_slice(&made.stdout).unwrap();
        let token = token["token"].as_str().unwrap().to_owned();
        self.marks.add("the script's token", &token);
        let base = format!("{}/example.com/gangway/api/v1", self.site.url());
        let bearer = format!("Bearer {token}");
        let ask = |method: &str, path: &str, media: &str, body: &str| {
            let headers = [("Authorization", bearer.as_str()), ("Content-Type", media)];
            http::request(method, &format!("{base}{path}"), &headers, body.as_bytes())
        };
        // The gateway sees the new token within a second.
        let known = async {
            while ask("GET", "/phones", "", "").status != 200 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(crate::support::records::TIMEOUT, known).await.expect("the token is known");
        let mut answers = Vec::new();
        for route in ROUTES.into_iter().flatten().filter(|route| route.method == "GET") {
            let path = route.path.replace("{mac}", &mac.to_string()).replace("{vendor}", "yealink");
            let answer = ask("GET", &path, "", "");
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            answers.push((format!("REST: GET {path}"), answer));
        }
        for scope in ["vendor:yealink", "vendor:snom", &format!("phone:{mac}")] {
            answers.push((format!("REST: {scope}"), ask("GET", &format!("/settings?scope={scope}"), "", "")));
        }
        let json = "application/json";
        let broken = format!("{MISTYPED}\r\n");
        for (name, method, path, media, body) in [
            (
                "a secret with a line break",
                "PATCH",
                "/settings",
                json,
                json!({ "values": { "ldap_password": broken, "redirect.snom.password": broken } }).to_string(),
            ),
            (
                "a secret as a setting's name",
                "PATCH",
                "/settings",
                json,
                json!({ "values": { "ldap_password": { "is": MISTYPED } } }).to_string(),
            ),
            ("a broken body", "PATCH", "/settings", json, format!("{{\"values\":{{\"ldap_password\":\"{MISTYPED}")),
            ("an import", "POST", "/import?dryRun=true", "text/csv", table.to_owned()),
        ] {
            answers.push((format!("REST: {name}"), ask(method, path, media, &body)));
        }
        for (name, answer) in answers {
            self.out.add(name, format!("{:?}{}", answer.headers, answer.text()));
        }
        let url = format!("ws://{}/example.com/gangway", self.site.http);
        let mut page = Page::open(&self.simulation, &url).await;
        let values = json!({ "ldap_password": broken, "phone_admin_password": broken });
        let refused = page.ask("SettingsSet", json!({ "scope": "instance", "values": values })).await;
        assert!(refused["error"].is_string(), "{refused}");
        self.out.add("admin page: refused settings", refused.to_string());
    }

    pub fn debug_of_instances(&mut self) {
        let config = gangway::base::config::Config::load(Some(&self.site.config())).unwrap();
        let instance = app::instance(self.records.instance, &config.instances[0]);
        self.out.add("Debug of an instance", format!("{instance:?} {instance:#?}"));
        for token in self.records.store.api_tokens().of(self.records.instance) {
            self.out.add("Debug of a token", format!("{token:?}"));
        }
    }
}
