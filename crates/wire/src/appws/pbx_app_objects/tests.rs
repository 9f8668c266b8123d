use proptest::prelude::*;

use super::*;

const GUID: &str = "3954ae7854c96301c9dd009033400109";

fn message(value: &Value) -> Envelope {
    Envelope::parse(&value.to_string(), 99_999).unwrap()
}

fn app_object(apps: &Value, app: &Value) -> Value {
    json!({ "mt": "GetObjectResult", "guid": GUID, "cn": "Yealink", "h323": "gangway-yealink", "apps": apps,
        "pseudo": { "type": "app", "app": app, "kept": 1 } })
}

fn read(value: &Value) -> AppObjectSettings {
    AppObjectSettings::parse(&message(value), None).unwrap().unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn requests_are_written_as_documented() {
    let guid = Guid::parse(GUID).unwrap();
    assert_eq!(
        get_app_objects("1", "http", None).text(),
        r#"{"mt":"GetAppObjects","api":"PbxAdminApi","src":"1","uri":"http"}"#
    );
    assert!(get_app_objects("1", "http", Some(&json!("x"))).text().contains(r#""more":"x""#));
    assert_eq!(
        get_app_object("2", &ObjectKey::Guid(&guid)).text(),
        format!(
            r#"{{"mt":"GetObject","api":"PbxAdminApi","src":"2","guid":"{GUID}","properties":["guid","cn","h323","apps","pseudo"],"template":"without"}}"#
        )
    );
    let object = read(&app_object(&json!("a,b"), &json!({ "url": "u" })));
    assert_eq!(
        update_app_object("3", &object.with_ticked(&names(&["c"])).unwrap()).text(),
        format!(
            r#"{{"mt":"UpdateObject","api":"PbxAdminApi","src":"3","guid":"{GUID}","template":"without","apps":"a,b,c"}}"#
        )
    );
    let new = NewAppObject::new(
        "gangway-yealink",
        "Yealink",
        "https://h/d/i/gangway-yealink",
        NewPassword::Text("pw".into()),
    )
    .unwrap()
    .provider(names(&["devices-api"]));
    assert_eq!(
        create_app_object("4", &new, FlagForm::Word).text(),
        r#"{"mt":"UpdateObject","api":"PbxAdminApi","src":"4","template":"without","hide":true,"critical":true,"cn":"Yealink","h323":"gangway-yealink","pwd":"pw","apps":"devices-api","pseudo":{"type":"app","app":{"url":"https://h/d/i/gangway-yealink","websocket":"on","services":"on","hidden":"on"}}}"#
    );
    let admin = NewAppObject::new("gangway-admin", "gangway", "u", NewPassword::CopyOf("gangway-snom".into())).unwrap();
    let text = create_app_object("5", &admin, FlagForm::Bool).text();
    assert!(text.contains(r#""copyPwd":"gangway-snom""#) && !text.contains("pwd\":\"pw"), "{text}");
    assert!(text.contains(r#""app":{"url":"u","websocket":true}"#) && !text.contains("apps"), "{text}");
}

#[test]
fn only_own_names_and_passwords_that_fit_are_created() {
    let new = |name: &str, password: &str| {
        NewAppObject::new(name, "t", "u", NewPassword::Text(password.into())).map(|new| new.name().to_owned())
    };
    for bad in ["", "gangway-", "gangway", "yealink", "1gangway-x", "gangway-Y", "gangway-a b", "Gangway-x", "profile"]
    {
        assert_eq!(new(bad, "pw").unwrap_err(), NewAppObjectError::Name, "{bad}");
    }
    assert_eq!(new(&format!("gangway-{}", "a".repeat(57)), "pw").unwrap_err(), NewAppObjectError::Name);
    assert_eq!(new("gangway-x", "").unwrap_err(), NewAppObjectError::Password);
    assert_eq!(new("gangway-x", "0123456789abcdef").unwrap_err(), NewAppObjectError::Password);
    assert_eq!(new("gangway-x", "0123456789abcde").unwrap(), "gangway-x");
}

#[test]
fn lists_are_read_leniently_and_never_taken_as_complete_when_they_are_not() {
    let list = json!({ "mt": "GetAppObjectsResult", "objects": [
        { "guid": GUID, "sip": "a", "title": "A", "url": "http://x/a" }, { "h323": "b", "cn": "B", "guid": "*" },
        { "title": "nameless" }, { "sip": "" }, 7 ] });
    let page = get_app_objects_result(&message(&list)).unwrap().unwrap();
    let guid = Guid::parse(GUID);
    let row = |guid, name: &str, title: &str, url: &str| ListedAppObject {
        guid,
        name: name.into(),
        title: title.into(),
        url: url.into(),
    };
    assert_eq!(page.objects, [row(guid, "a", "A", "http://x/a"), row(None, "b", "B", "")]);
    assert_eq!((page.more, page.is_cut), (None, false));
    for (more, expected) in [
        (json!("cn"), (Some(json!("cn")), false)),
        (json!(3), (Some(json!(3)), false)),
        (json!(true), (None, true)),
        (json!(""), (None, false)),
        (json!(false), (None, false)),
    ] {
        let page = get_app_objects_result(&message(&json!({ "mt": "GetAppObjectsResult", "more": more })));
        let page = page.unwrap().unwrap();
        assert_eq!((page.more, page.is_cut), expected, "{more}");
    }
    let error = json!({ "mt": "GetAppObjectsResult", "error": "e" });
    assert_eq!(get_app_objects_result(&message(&error)).unwrap(), Err(AdminError::Refused("e".into())));
    assert!(get_app_objects_result(&message(&json!({ "mt": "GetObjectResult" }))).is_none());
}

#[test]
fn flags_are_read_in_both_forms_and_written_in_the_one_that_was_read() {
    let words = json!({ "url": "u", "websocket": "on", "admin": "on" });
    let bools = json!({ "url": "u", "websocket": true, "admin": true, "services": false });
    for (app, form, on) in [(words, FlagForm::Word, json!("on")), (bools, FlagForm::Bool, json!(true))] {
        let object = read(&app_object(&json!(""), &app));
        assert_eq!(object.flags(), AppFlags { websocket: true, services: false, admin: true });
        assert_eq!(object.flag_form(), form);
        let edited = object.with_flags(true);
        assert_eq!((edited.member, &edited.value["app"]["services"]), ("pseudo", &on));
        assert_eq!((&edited.value["kept"], &edited.value["app"]["admin"]), (&json!(1), &on));
    }
    // Admin is written only where it was read.
    let plain = read(&app_object(&json!(""), &json!({ "url": "u", "x": [1] }))).with_flags(false);
    assert_eq!(plain.value["app"], json!({ "url": "u", "x": [1], "websocket": "on" }));
}

#[test]
fn what_is_not_an_app_object_is_not_edited() {
    let user = json!({ "mt": "GetObjectResult", "guid": GUID, "h323": "alice", "apps": "x" });
    let group = json!({ "mt": "GetObjectResult", "guid": GUID, "pseudo": { "type": "bc" } });
    let text = json!({ "mt": "GetObjectResult", "guid": GUID, "pseudo": "<pseudo type='app'/>" });
    for value in [user, group, text] {
        assert_eq!(AppObjectSettings::parse(&message(&value), None).unwrap(), Err(AppObjectError::NotAnApp));
    }
    let gone = json!({ "mt": "GetObjectResult", "error": "no such object" });
    assert!(matches!(AppObjectSettings::parse(&message(&gone), None), Some(Err(AppObjectError::Admin(_)))));
    // A PBX may leave out what the object was requested by, but must not return another form of it.
    let mut bare = app_object(&json!("a"), &json!({}));
    bare.as_object_mut().unwrap().remove("guid");
    let asked = Guid::parse(GUID).unwrap();
    assert_eq!(AppObjectSettings::parse(&message(&bare), Some(&asked)).unwrap().unwrap().guid, asked);
    assert!(AppObjectSettings::parse(&message(&bare), None).unwrap().is_err());
    bare["guid"] = "?".into();
    assert!(AppObjectSettings::parse(&message(&bare), Some(&asked)).unwrap().is_err());
}

#[test]
fn apps_keep_their_form() {
    let list = read(&app_object(&json!(["a", "b"]), &json!({})));
    assert!(list.has_ticked(&names(&["B"])) && !list.has_ticked(&names(&["b", "c"])));
    assert_eq!(list.with_ticked(&names(&["b", "c"])).unwrap().value, json!(["a", "b", "c"]));
    let unknown = read(&app_object(&json!([{ "name": "a" }]), &json!({})));
    assert_eq!((unknown.ticked(), unknown.with_ticked(&names(&["c"]))), (None, None));
    let none = read(&app_object(&Value::Null, &json!({})));
    assert_eq!(none.with_ticked(&names(&["c"])).unwrap().value, "c");
}

proptest! {
    #[test]
    fn ticking_keeps_every_other_app(had in prop::collection::vec("[a-z-]{1,8}", 0..6), add in "[a-z]{1,8}") {
        let add = [add];
        for apps in [json!(had.join(",")), json!(had)] {
            let edited = read(&app_object(&apps, &json!({}))).with_ticked(&add).unwrap();
            let after = read(&app_object(&edited.value, &json!({})));
            prop_assert!(after.has_ticked(&had) && after.has_ticked(&add));
            prop_assert_eq!(after.ticked().unwrap().len(), had.len() + usize::from(!had.contains(&add[0])));
        }
    }

    #[test]
    fn nothing_makes_the_parsers_panic(text in "\\PC{0,80}", member in "[a-z]{1,8}") {
        for name in ["GetObjectResult", "GetAppObjectsResult"] {
            let body = json!({ "mt": name, "guid": text, "objects": [{ member.as_str(): text }], "apps": text,
                "pseudo": { "type": "app", "app": { member.as_str(): text } }, "more": text });
            let _ = AppObjectSettings::parse(&message(&body), None);
            let _ = get_app_objects_result(&message(&body));
        }
    }

    #[test]
    fn flags_change_nothing_else(extra in prop::collection::btree_map("[a-z]{1,6}", any::<u8>(), 0..6), services: bool) {
        let mut app = serde_json::Map::new();
        for (name, value) in &extra {
            app.insert(format!("x-{name}"), json!(value));
        }
        let edited = read(&app_object(&json!(""), &Value::Object(app.clone()))).with_flags(services);
        app.insert("websocket".into(), "on".into());
        if services {
            app.insert("services".into(), "on".into());
        }
        prop_assert_eq!(&edited.value["app"], &Value::Object(app));
    }
}
