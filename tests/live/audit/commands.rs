//! Tests the audit entries of every command.

use std::{collections::BTreeSet, fs, net::TcpListener, process::Output, sync::Arc};

use clap::CommandFactory;
use gangway::{cli::CommandLine, store::Store};
use gangway_base::{clock::SystemClock, tasks::Tasks};
use gangway_sim::yealink_phone::model;

use super::{Audit, tables::dump};
use crate::support::{
    bench::{Bench, simulation},
    mac,
    options::{DOMAIN, INSTANCE, Options},
};

/// The effect of a command.
enum Does {
    /// Read-only: no database row changes.
    Looks(&'static [&'static str]),
    /// Changes something; the second field is the expected audit entry. `MAC` is replaced by the phone, `NEW` by the
    /// name of a file that does not exist.
    Changes(&'static [&'static str], &'static str),
    /// Uses a separate data directory.
    Elsewhere,
    /// Tested separately, because it stops or replaces the gateway.
    Apart,
}

fn does(command: &str) -> Does {
    use Does::{Apart, Changes, Elsewhere, Looks};
    match command {
        "serve" | "backup" | "restore" => Apart,
        "demo" => Elsewhere,
        "check" | "openapi" | "vendors" | "audit" => Looks(&[]),
        "recognise" => Looks(&["--user-agent", "Yealink SIP-T46U 108.86.0.90"]),
        "render" => Looks(&["--mac", "MAC"]),
        "phones list" | "settings list" | "tokens list" => Looks(&["--json"]),
        "pbx plan" => Looks(&["--provider", "yealink"]),
        "pbx apply" => Changes(&["--yes"], "Tick gangway-yealink in the Apps tab of usersadmin"),
        "phones show" => Looks(&["MAC"]),
        "settings get" => Looks(&["ldap_password"]),
        "phones import" => Changes(&["FILE", "--wait", "--category", "1"], "import 1 lines"),
        "phones allow" => Changes(&["MAC"], "Allow once"),
        "phones bootstrap" => Changes(&["MAC", "--http-base", "http://gw.example.com:8080"], "one-time plain-HTTP URL"),
        "phones rotate" => Changes(&["MAC"], "Change the phone's own credentials"),
        "phones release" => Changes(&["MAC"], "Want it released"),
        "phones activate" => Changes(&["MAC"], "Want it active"),
        "phones block" => Changes(&["MAC"], "Want it blocked"),
        "phones check" => Changes(&["MAC"], "Compare with the redirect service"),
        "phones remove" => Changes(&["MAC"], "Want it removed"),
        "phones resync" => Changes(&["MAC"], "Have the phone come now"),
        "settings set" => Changes(&["ldap_password", "canary"], "set ldap_password to ***"),
        "diagnostics" => Changes(&["--to", "NEW"], "write the diagnostics bundle"),
        "keys rotate" => Changes(&[], "make a new sealing key"),
        "tokens create" => Changes(&["robot"], "make the read token robot"),
        "tokens revoke" => Changes(&["robot"], "revoke the token robot"),
        other => panic!("gangway {other}: say here what the audit tells of it"),
    }
}

/// Returns all commands; subcommands are prefixed with their parent's name.
fn commands() -> Vec<String> {
    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            let path = format!("{path} {}", below.get_name());
            match below.has_subcommands() {
                true => leaves(below, &path, found),
                false => found.push(path.trim().to_owned()),
            }
        }
    }
    let mut found = Vec::new();
    leaves(&CommandLine::command(), "", &mut found);
    // Commands that take a phone out of service run last, and the final removal is the very last one.
    let last = ["phones block", "phones release", "phones remove"];
    found.sort_by_key(|command| last.iter().position(|one| one == command));
    found
}

fn output_of(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

#[actix_rt::test]
async fn every_command_that_changes_something_is_written_down() {
    let here = tempfile::tempdir().unwrap();
    let (ca, table) = (here.path().join("ca.pem"), here.path().join("phones.csv"));
    let made = rcgen::generate_simple_self_signed(vec!["gw.example.com".to_owned()]).unwrap();
    fs::write(&ca, made.cert.pem()).unwrap();
    fs::write(&table, "mac;user;password\n805ec0123409;user5;secret-5\n").unwrap();
    let options = Options {
        sections: format!("[https]\nphone_ca = {:?}\n", ca.display().to_string()),
        instance: "phone_url = \"https://gw.example.com/\"".into(),
        ..Options::default()
    };
    let mut bench = Bench::start_in(simulation().users(9).start().await.unwrap(), options).await;
    let phone = mac(1);
    bench.provisioned(phone, "user1").await;
    bench.simulation.pbx.edit_app("usersadmin", |app| app.grants.clear());
    let _phone = bench.simulation.add_phone(phone, model::T46U);
    let (data, config) = (bench.gateway.data(), bench.gateway.config());
    let filled = |arguments: &[&str]| -> Vec<String> {
        let (file, new) = (table.display().to_string(), here.path().join("new.zip").display().to_string());
        let word = |word: &str| word.replace("MAC", &phone.to_string()).replace("FILE", &file).replace("NEW", &new);
        arguments.iter().map(|argument| word(argument)).collect()
    };
    let run = |command: &str, arguments: &[String]| {
        let words: Vec<&str> = command.split(' ').chain(arguments.iter().map(String::as_str)).collect();
        crate::support::process::run(&config, &words)
    };
    let (store, instance) = (bench.records().store.clone(), bench.records().instance);
    let mut audit = Audit::new(&store, instance).await;
    let user =
        format!("{}", String::from_utf8_lossy(&std::process::Command::new("id").arg("-un").output().unwrap().stdout));
    let me = (user.trim(), "command", "");
    for command in commands() {
        if let Does::Changes(arguments, deed) = does(&command) {
            let done = run(&command, &filled(arguments));
            assert!(done.status.success(), "{command}: {}", output_of(&done));
            audit.assert_has(&command, deed, me).await;
        }
    }
    drop((audit, store));
    bench.gateway.stop();

    // No other writes happen now, so read-only commands must leave every table unchanged.
    for command in commands() {
        if let Does::Looks(arguments) = does(&command) {
            let before = dump(&data.join("gangway.db")).await;
            let done = run(&command, &filled(arguments));
            // The PBX is asked over the connections of a gateway, and none runs.
            let may_fail = ["check", "pbx plan"].contains(&command.as_str());
            assert!(done.status.success() || may_fail, "{command}: {}", output_of(&done));
            let after = dump(&data.join("gangway.db")).await;
            let changed: BTreeSet<&String> =
                before.keys().filter(|table| before.get(*table) != after.get(*table)).collect();
            assert!(changed.is_empty(), "{command} changes {changed:?}");
        }
    }

    // Commands that affect the whole gateway.
    let (file, words) = (here.path().join("site.backup"), here.path().join("words"));
    fs::write(&words, "correct horse battery").unwrap();
    let secret = |more: &[&str]| -> Vec<String> {
        let all = [&[file.to_str().unwrap(), "--passphrase-file", words.to_str().unwrap()], more].concat();
        all.iter().map(|word| (*word).to_owned()).collect()
    };
    // Serving itself is not tested here. Its port is in use, so the process ends at once.
    let _taken = TcpListener::bind(bench.gateway.address()).unwrap();
    let steps: [(&str, Vec<String>, &[&str]); 5] = [
        ("backup", secret(&[]), &["write everything into the backup"]),
        ("restore", secret(&["--replace"]), &["write everything into the backup", "restore "]),
        ("restore", vec!["--take-over".to_owned()], &["take over the phones"]),
        ("restore", secret(&["--replace"]), &["restore "]),
        ("serve", vec!["--take-over".to_owned()], &["take over the phones"]),
    ];
    for (command, arguments, deeds) in steps {
        let done = run(command, &arguments);
        assert_eq!(done.status.success(), command != "serve", "{command}: {}", output_of(&done));
        let store = Store::open(&data, Arc::new(SystemClock), &Tasks::new()).await.unwrap();
        let instance = store.instance(DOMAIN, INSTANCE).await.unwrap();
        let what = format!("{command} {arguments:?}");
        for deed in deeds {
            Audit { store: store.clone(), instance, seen: 0 }.assert_has(&what, deed, me).await;
        }
        // The newest entry is that of the last action.
        let newest = store.audit_log().entries(instance, None, 1).await.unwrap().remove(0);
        assert!(newest.deed.contains(deeds[deeds.len() - 1]), "{what}: {newest:?}");
    }
}
