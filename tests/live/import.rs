//! Tests importing a file of phones by command and by script: valid lines are provisioned, invalid ones are reported by
//! line.

use gangway::{phone::facet::DevicesState, store::TokenScope};
use serde_json::{Value, json};

use crate::support::{
    bench::Bench,
    gateway::Gateway,
    mac,
    options::Options,
    process::{Site, run},
    script::{Script, body, problem},
};

/// Runs a command in the background while the simulators keep running.
async fn command(gateway: &Gateway, arguments: &[&str]) -> std::process::Output {
    let config = gateway.config();
    let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
    actix_web::web::block(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(&config, &arguments)
    })
    .await
    .unwrap()
}

/// Latin-1, semicolons and CR LF, as written by a spreadsheet.
fn spreadsheet() -> Vec<u8> {
    let mut file = b"MAC;User;Name;Password;Colour\r\n".to_vec();
    file.extend(format!("{};user1;J\u{fc}rgen;secret-1;red\r\n", mac(1).spelled("-")).chars().map(|c| c as u8));
    file.extend(format!("{};user2;\"Doe; Jane\";secret-2;\r\n", mac(2)).bytes());
    file
}

#[actix_rt::test]
async fn the_command_imports_what_is_good_and_names_the_lines_that_are_not() {
    let bench = Bench::start().await;
    bench.simulation.wait_gateway().await.unwrap();
    // Codes come from Devices.
    let links = |state: &gangway_sim::devices::DevicesState| {
        state.requests.iter().any(|request| request["mt"] == "GetDevices").then_some(())
    };
    bench.simulation.devices.board().wait("the link to Devices", links).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) = (dir.path().join("good.csv"), dir.path().join("bad.csv"));
    std::fs::write(&good, spreadsheet()).unwrap();
    let mut wrong = spreadsheet();
    wrong.extend_from_slice(b"12345;user3;;x;\r\n");
    std::fs::write(&bad, wrong).unwrap();
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());

    let checked = command(&bench.gateway, &["phones", "import", bad, "--dry-run"]).await;
    let (output, noted) = (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert_eq!(checked.status.code(), Some(1), "{output}{noted}");
    assert!(output.contains("line 4, mac: This is no MAC address"), "{output}");
    assert!(noted.contains("2 lines can be imported") && noted.contains("Nothing has been changed"), "{noted}");
    assert!(bench.records().phone(mac(1)).is_none());

    let done = command(&bench.gateway, &["phones", "import", good, "--wait", "--category", "1", "--json"]).await;
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let done: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&done["import"]["changed"], &done["check"]["ignored"]), (&json!(2), &json!(["Colour"])), "{done}");
    let record = bench.records().wait_devices(mac(1), DevicesState::Received).await;
    assert_eq!(record.accounts[0].cn, "Jürgen");

    let again = command(&bench.gateway, &["phones", "import", good, "--wait", "--category", "1"]).await;
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert!(String::from_utf8_lossy(&again.stderr).contains("2 unchanged"), "{again:?}");
    let audit = bench.gateway.command(&["audit", "--json"]);
    assert!(String::from_utf8_lossy(&audit.stdout).contains("import 2 lines"), "{audit:?}");
}

#[test]
fn without_a_gateway_nothing_is_imported_and_nothing_waits_for_one() {
    let site = Site::new(&Options::default());
    let file = site.config().with_file_name("phones.csv");
    std::fs::write(&file, spreadsheet()).unwrap();
    let done = site.run(&["phones", "import", file.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stderr).contains("gangway serve"), "{done:?}");
    let missing = site.run(&["phones", "import", "nowhere.csv"]);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("nowhere.csv"), "{missing:?}");
}

#[actix_rt::test]
async fn a_script_imports_a_file() {
    let bench = Bench::start().await;
    let script = Script::new(&bench.gateway, "import", TokenScope::Write).await;
    let devices = async {
        let is_up = |row: &Value| row["kind"] == "devices" && row["state"] == "up";
        while !script.json("/connections").await["connections"].as_array().unwrap().iter().any(is_up) {}
    };
    tokio::time::timeout(crate::support::records::TIMEOUT, devices).await.expect("Devices is connected");
    let csv = [("Content-Type", "text/csv; charset=iso-8859-1")];
    let checked = script.send("POST", "/import?dryRun=true", &csv, &spreadsheet()).await;
    assert_eq!((checked.status, &body(&checked)["good"]), (200, &json!(2)), "{}", checked.text());
    let refused = script.send("POST", "/import", &csv, b"mac;user\nnonsense;x\n").await;
    let refused = problem(&refused, 422);
    assert_eq!((&refused["errors"][0]["line"], &refused["errors"][0]["field"]), (&json!(2), &json!("mac")));
    assert!(bench.records().phone(mac(1)).is_none());
    let begun = script.send("POST", "/import?category=1", &csv, &spreadsheet()).await;
    assert_eq!((begun.status, &body(&begun)["started"]), (202, &json!(2)), "{}", begun.text());
    assert!(begun.header("location").unwrap().ends_with("/api/v1/import"));
    let over = async {
        loop {
            let state = script.json("/import").await;
            if state["finished"] == true {
                return state;
            }
        }
    };
    let state = tokio::time::timeout(crate::support::records::TIMEOUT, over).await.expect("the import ends");
    assert_eq!((&state["changed"], &state["failed"]), (&json!(2), &json!(0)), "{state}");

    let mut long = String::from("\u{feff}mac,user,password\n");
    for number in 0..20_000_u32 {
        long.push_str(&format!("805ec0{number:06x},user{number},pw\n"));
    }
    let checked = script.send("POST", "/import?dryRun=true", &csv, long.as_bytes()).await;
    assert_eq!((checked.status, &body(&checked)["good"]), (200, &json!(20_000)), "{}", checked.text());
}
