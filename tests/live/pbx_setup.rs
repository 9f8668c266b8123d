//! Tests that a PBX with one app object is set up by a command: it says what is missing, creates and ticks it, and a
//! phone comes aboard. Tests each bound of what the gateway may do there.

use std::process::Output;

use gangway_sim::{
    pbx::{AppObject, PbxSwitches, PbxUser},
    yealink_phone::model,
};
use serde_json::{Value, json};

use crate::support::{
    bench::{Bench, comes_up, simulation},
    gateway::Gateway,
    mac,
    options::{Options, PASSWORD},
    page::Page,
};

/// A gateway at a PBX that has one app object of it, with the flag Admin, and nothing ticked.
async fn bare(options: Options) -> Bench {
    let simulation = simulation().start().await.unwrap();
    let gateway = Gateway::start(&simulation, options).await;
    for object in ["profile", "usersadmin"] {
        simulation.pbx.edit_app(object, |app| {
            app.grants = vec!["other".into()];
            app.template_grants = vec!["from-template".into()];
            app.more.insert("x-kept".into(), json!({ "by": 1 }));
        });
    }
    let url = format!("{}/gangway-admin", gateway.instance_url());
    simulation.pbx.add_app(AppObject::new("gangway-admin", &url, PASSWORD).connected());
    simulation.pbx.wait_connected("gangway-admin").await.unwrap();
    Bench { gateway, simulation }
}

fn text(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

fn plan(bench: &Bench, more: &[&str]) -> Value {
    let done = bench.gateway.command(&[&["pbx", "plan", "--json"], more].concat());
    serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&done)))
}

fn steps(plan: &Value) -> Vec<String> {
    let findings = plan["findings"].as_array().unwrap().iter();
    findings.filter_map(|finding| finding["step"]["id"].as_str().map(str::to_owned)).collect()
}

fn grants(bench: &Bench, object: &str) -> Vec<String> {
    bench.simulation.pbx.board().read(|pbx| pbx.apps[object].grants.clone())
}

const YEALINK: [&str; 2] = ["--provider", "yealink"];

#[actix_rt::test]
async fn one_command_sets_up_a_pbx_and_a_phone_comes_aboard() {
    let bench = bare(Options::default()).await;
    let before = plan(&bench, &YEALINK);
    assert_eq!(
        steps(&before),
        ["create:gangway-yealink", "tick:profile:gangway-yealink", "tick:usersadmin:gangway-yealink"]
    );
    assert_eq!((&before["complete"], &before["pbx"]), (&json!(false), &json!("pbx")));
    assert!(bench.simulation.pbx.board().read(|pbx| pbx.received("UpdateObject").is_empty()), "a plan changes nothing");
    let shown = text(&bench.gateway.command(&["pbx", "plan", "--provider", "yealink"]));
    let url = format!("{}/gangway-yealink", bench.gateway.instance_url());
    assert!(shown.contains(&url) && shown.contains("at most 15 characters"), "{shown}");
    assert!(!shown.contains(PASSWORD), "{shown}");

    // Without a terminal somebody must have said yes.
    let asked = bench.gateway.command(&["pbx", "apply", "--provider", "yealink"]);
    assert!(!asked.status.success() && text(&asked).contains("--yes"), "{}", text(&asked));
    assert!(bench.simulation.pbx.board().read(|pbx| pbx.received("UpdateObject").is_empty()));

    let done = bench.gateway.command(&["pbx", "apply", "--provider", "yealink", "--yes"]);
    assert!(done.status.success(), "{}", text(&done));
    assert!(text(&done).contains("it was: other"), "the former value is printed: {}", text(&done));
    assert!(!text(&done).contains(PASSWORD), "{}", text(&done));
    assert_eq!(grants(&bench, "profile"), ["other", "gangway-yealink"]);
    assert_eq!(grants(&bench, "usersadmin"), ["other", "gangway-yealink"]);
    let made = bench.simulation.pbx.board().read(|pbx| pbx.apps["gangway-yealink"].clone());
    assert_eq!((made.url.as_str(), made.password.as_str()), (url.as_str(), PASSWORD));
    assert_eq!(
        (made.websocket, made.services, made.admin, made.grants),
        (true, true, false, vec!["devices-api".into()])
    );

    let after = plan(&bench, &YEALINK);
    assert_eq!((&after["complete"], steps(&after)), (&json!(true), Vec::new()), "{after}");
    let audit = text(&bench.gateway.command(&["audit"]));
    assert!(audit.contains("Create the app object gangway-yealink") && audit.contains("It was: other"), "{audit}");

    bench.simulation.pbx.wait_connected("gangway-yealink").await.unwrap();
    let checked = text(&bench.gateway.command(&["check"]));
    assert!(!checked.contains("lacked the flag"), "one app object with Admin is enough: {checked}");
    let phone = mac(1);
    bench.provisioned(phone, "user1").await;
    let device = bench.simulation.add_phone(phone, model::T46U);
    comes_up(&device).await;
    bench.records().wait_done(phone).await;
    assert_eq!(bench.simulation.pbx.device(&phone.to_string()).unwrap()["mr"], true);
    let notes = plan(&bench, &YEALINK)["notes"].to_string();
    assert!(
        notes.contains("Phones relayed by pbx.example.com: 1") && notes.contains("Media Relay Endpoints"),
        "{notes}"
    );
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn both_readings_of_the_documents_lead_to_the_same_set_up() {
    let readings: [fn(&mut PbxSwitches); 4] = [
        |pbx| pbx.flags_as_bool = true,
        |pbx| pbx.apps_as_list = true,
        |pbx| pbx.bare_properties = true,
        |pbx| pbx.app_objects_at_once = 1,
    ];
    for reading in readings {
        let bench = bare(Options::default()).await;
        bench.simulation.pbx.switch(reading);
        let done = bench.gateway.command(&["pbx", "apply", "--provider", "yealink", "--yes"]);
        assert!(done.status.success(), "{}", text(&done));
        assert_eq!(plan(&bench, &YEALINK)["complete"], true);
        bench.assert_no_violation();
    }
}

#[actix_rt::test]
async fn flags_of_an_own_object_are_repaired_but_admin_is_never_given() {
    let bench = bare(Options::default()).await;
    let url = format!("{}/gangway-yealink", bench.gateway.instance_url());
    let mut object = AppObject::new("gangway-yealink", &url, PASSWORD).granting("devices-api");
    object.more.insert("x-kept".into(), json!([1]));
    bench.simulation.pbx.add_app(object);

    let done = bench.gateway.command(&["pbx", "apply", "--provider", "yealink", "--yes"]);

    assert!(done.status.success(), "{}", text(&done));
    let made = bench.simulation.pbx.board().read(|pbx| pbx.apps["gangway-yealink"].clone());
    assert_eq!((made.websocket, made.services, made.admin), (true, true, false));
    assert_eq!(made.more["x-kept"], json!([1]));
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn what_the_gateway_may_not_do_is_printed_as_what_to_enter() {
    let bench = bare(Options::default()).await;
    // A user has the name, the Profile app does not exist, and another gateway's object has the name of the second one.
    let _ = bench.simulation.pbx.add_user(PbxUser::new("gangway-yealink", "Somebody", "x"));
    bench.simulation.pbx.remove_app("profile");
    bench.simulation.pbx.add_app(AppObject::new("gangway-snom", "https://other.example/a/b/gangway-snom", "x"));

    let done = bench.gateway.command(&["pbx", "apply", "--provider", "yealink", "--provider", "snom", "--yes"]);

    let said = text(&done);
    assert!(!done.status.success(), "{said}");
    for part in [
        "Give the object gangway-yealink another name",
        "Apps tab of the app object of Profile",
        &format!("Set the URL of gangway-snom to {}/gangway-snom", bench.gateway.instance_url()),
    ] {
        assert!(said.contains(part), "{part} in: {said}");
    }
    let other = bench.simulation.pbx.board().read(|pbx| pbx.apps["gangway-snom"].clone());
    assert_eq!((other.url.as_str(), other.websocket), ("https://other.example/a/b/gangway-snom", false));
    assert!(bench.simulation.pbx.board().read(|pbx| !pbx.apps.contains_key("gangway-yealink")));
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn a_change_that_does_not_stick_or_is_refused_is_said() {
    let bench = bare(Options::default()).await;
    bench.simulation.pbx.switch(|pbx| pbx.apps_do_not_stick = true);
    let done = bench.gateway.command(&["pbx", "apply", "--provider", "yealink", "--yes"]);
    assert!(!done.status.success() && text(&done).contains("is not in force"), "{}", text(&done));
    assert_eq!(grants(&bench, "profile"), ["other"]);

    bench.simulation.pbx.switch(|pbx| {
        pbx.apps_do_not_stick = false;
        pbx.update_error = Some("the database is locked".into());
    });
    let done = bench.gateway.command(&["pbx", "apply", "--provider", "yealink", "--yes"]);
    assert!(!done.status.success() && text(&done).contains("the database is locked"), "{}", text(&done));
    bench.simulation.pbx.switch(|pbx| pbx.update_error = None);
    let done = bench.gateway.command(&["pbx", "apply", "--provider", "yealink", "--yes"]);
    assert!(done.status.success(), "{}", text(&done));
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn a_page_applies_only_where_the_configuration_allows_it_and_only_confirmed_steps() {
    let order = json!({ "providers": ["yealink"], "steps": ["tick:profile:gangway-yealink", "tick:nobody:x"] });
    let bench = bare(Options::default()).await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let seen = page.ask("PbxPlan", json!({ "providers": ["yealink"] })).await;
    assert_eq!((&seen["mayApply"], seen["findings"].as_array().map(Vec::len)), (&json!(false), Some(4)), "{seen}");
    let refused = page.ask("PbxApply", order.clone()).await;
    assert_eq!(refused["code"]["key"], "pbx-apply-off", "{refused}");
    assert_eq!(grants(&bench, "profile"), ["other"]);
    drop(bench);

    let bench = bare(Options { instance: "pbx_apply = true".into(), ..Options::default() }).await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let done = page.ask("PbxApply", order).await;
    assert_eq!(done["changes"].as_array().map(Vec::len), Some(1), "{done}");
    assert_eq!((&done["changes"][0]["former"], &done["changes"][0]["done"]), (&json!("other"), &json!(true)), "{done}");
    assert_eq!(grants(&bench, "usersadmin"), ["other"], "this step was not confirmed");
    assert!(bench.simulation.pbx.board().read(|pbx| !pbx.apps.contains_key("gangway-yealink")));
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn the_pbx_must_be_named_where_several_are_connected_and_a_gateway_must_run() {
    let mut bench = bare(Options::default()).await;
    let slave = bench.simulation.add_pbx("slave").await.unwrap();
    let url = format!("{}/gangway-admin", bench.gateway.instance_url());
    slave.add_app(AppObject::new("gangway-admin", &url, PASSWORD).connected());
    slave.wait_connected("gangway-admin").await.unwrap();
    let done = bench.gateway.command(&["pbx", "plan", "--provider", "yealink"]);
    assert!(text(&done).contains("pbx, slave") && text(&done).contains("--pbx NAME"), "{}", text(&done));
    assert_eq!(plan(&bench, &["--provider", "yealink", "--pbx", "slave"])["pbx"], "slave");
    let done = bench.gateway.command(&["pbx", "plan", "--pbx", "nowhere"]);
    assert!(text(&done).contains("pbx, slave"), "{}", text(&done));
    let done = bench.gateway.command(&["pbx", "plan", "--vendor", "toaster", "--pbx", "pbx"]);
    assert!(text(&done).contains("toaster") && text(&done).contains("yealink"), "{}", text(&done));

    // Without the flag Admin nothing can be read.
    for pbx in [&bench.simulation.pbx, &slave] {
        pbx.edit_app("gangway-admin", |app| app.admin = false);
        pbx.drop_link("gangway-admin");
    }
    let refused = async { while !text(&bench.gateway.command(&["pbx", "plan"])).contains("flag Admin") {} };
    tokio::time::timeout(crate::support::records::TIMEOUT, refused).await.expect("the missing flag is named");

    bench.gateway.stop();
    let done = bench.gateway.command(&["pbx", "apply", "--provider", "yealink", "--yes"]);
    assert!(!done.status.success() && text(&done).contains("start the gateway"), "{}", text(&done));
}
