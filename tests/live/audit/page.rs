//! Tests the audit entries of every message of the page.

use base64::{Engine, prelude::BASE64_STANDARD};
use gangway::{
    api::admin_page::methods::{MessageEffect, Method},
    phone::facet::DevicesState,
    service::action::Action,
};
use gangway_base::mac::Mac;
use gangway_sim::yealink_phone::model;
use serde_json::{Value, json};

use super::Audit;
use crate::support::{
    bench::{Bench, simulation},
    mac,
    options::Options,
    page::Page,
};

const ANNA: (&str, &str, &str) = ("Anna Admin (anna.admin)", "page", "127.0.0.1");

/// A request and its expected audit entry. A new message without an entry here does not compile.
fn request(message: Method, mac: Mac, token: &Value) -> (Value, &'static str) {
    let file = BASE64_STANDARD.encode("mac;user;password\n805ec0123409;user5;secret-5\n");
    match message {
        Method::Hello
        | Method::Devices
        | Method::DevicesStop
        | Method::PhoneStop
        | Method::Notices
        | Method::Tokens
        | Method::Vendors
        | Method::Settings
        | Method::HistorySubscribe
        | Method::ImportState
        | Method::Categories
        | Method::Chart
        | Method::SettingsPending
        | Method::History
        | Method::HistoryExport
        | Method::Audit
        | Method::Snapshot => (json!({}), ""),
        Method::PbxPlan => (json!({ "providers": ["yealink"] }), ""),
        Method::PbxApply => (
            json!({ "steps": ["tick:usersadmin:gangway-yealink"] }),
            "Tick gangway-yealink in the Apps tab of usersadmin",
        ),
        Method::LineKeys => (json!({ "scope": "instance" }), ""),
        Method::Phone | Method::Diff | Method::Config => (json!({ "mac": mac }), ""),
        Method::ImportData => (json!({ "data": file, "last": true }), ""),
        Method::ImportStart => (json!({ "category": "1" }), "import 1 lines"),
        Method::ImportStop => (json!({}), "end the import"),
        Method::Act => (json!({ "mac": mac, "action": "resync" }), "Have the phone come now"),
        Method::Reveal => {
            (json!({ "mac": mac, "what": "files" }), "Show the password with which the phone fetches its files")
        }
        Method::SettingsSet => {
            (json!({ "scope": "instance", "values": { "ldap_password": "canary" } }), "set ldap_password to ***")
        }
        Method::RedirectTest => (json!({ "vendor": "yealink" }), "try the account at the redirect service"),
        Method::HistoryPrune => (json!({ "days": 30 }), "drop the redirect history older than 30 days"),
        Method::TokenCreate => (json!({ "name": "robot", "scope": "read" }), "make the read token robot"),
        Method::Thaw => (json!({ "address": "192.0.2.7" }), "end the freeze of 192.0.2.7"),
        Method::TokenRevoke => (json!({ "id": token["id"] }), "revoke the token robot"),
    }
}

fn deed(action: Action) -> &'static str {
    match action {
        Action::RedirectAgain => "Redirect again",
        Action::Allow => "Allow once",
        Action::NewCode => "Fetch a new code",
        Action::AskRegistration => "Ask the PBXs for the registration",
        Action::Resync => "Have the phone come now",
        Action::RotateCredentials => "Change the phone's own credentials",
        Action::Release => "Release",
        Action::Block => "Block",
        Action::Remove => "Remove",
        Action::Activate => "Activate",
    }
}

#[actix_rt::test]
async fn every_change_and_every_secret_shown_on_the_page_is_written_down() {
    let options = Options { instance: "pbx_apply = true".into(), ..Options::default() };
    let bench = Bench::start_in(simulation().users(9).start().await.unwrap(), options).await;
    bench.simulation.pbx.edit_app("usersadmin", |app| app.grants.clear());
    let first = mac(1);
    bench.installed(first, model::T46U, "user1").await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    page.until_devices().await;
    let records = bench.records();
    let mut audit = Audit::new(&records.store, records.instance).await;

    let mut token = Value::Null;
    for message in Method::ALL.iter().copied() {
        let (body, deed) = request(message, first, &token);
        let answer = page.ask(message.name(), body).await;
        assert_eq!(answer.get("error"), None, "{message:?}: {answer}");
        match message.effect() {
            MessageEffect::Looks => audit.assert_nothing(message.name()).await,
            MessageEffect::Changes | MessageEffect::Acts | MessageEffect::Reveals => {
                audit.assert_has(message.name(), deed, ANNA).await;
            }
        }
        if message == Method::TokenCreate {
            token = answer;
        }
    }

    // Actions on a phone: a new code for one that Devices no longer knows, nothing for a removed one.
    bench.simulation.devices.forget(&first.to_string());
    records.wait_phone(first, "removed in Devices", |phone| phone.devices.state == DevicesState::NotInDomain).await;
    let mut actions = Action::ALL.to_vec();
    actions.sort_by_key(|action| (*action != Action::NewCode, *action == Action::Remove));
    for action in actions {
        page.act(first, action.name(), json!({ "category": "1" })).await;
        audit.assert_has(action.name(), deed(action), ANNA).await;
        let reported =
            page.timeline(first).await.iter().any(|entry| entry["text"].as_str().unwrap().contains(deed(action)));
        assert!(reported, "{action:?} is not in the phone's time line");
    }
}
