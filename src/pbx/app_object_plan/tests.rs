use gangway_wire::appws::Envelope;
use serde_json::{Value, json};

use super::*;

const BASE: &str = "https://gw.example.com/example.com/gangway";

fn guid(number: usize) -> String {
    format!("{:032x}", number + 0x1000_0000_0000)
}

/// A PBX as a list of (name, url, apps, flags).
struct Site(Vec<(String, String, String, Vec<&'static str>)>);

impl Site {
    fn new() -> Self {
        Self(Vec::new())
            .with("devices-api", "https://ap/example.com/devices/innovaphone-devices-api", "", &[])
            .with("profile", "https://ap/example.com/users/innovaphone-profile", "other", &["websocket"])
            .with("usersadmin", "https://ap/example.com/users/innovaphone-usersadmin.htm", "", &["websocket"])
    }

    fn ready() -> Self {
        Self(Vec::new())
            .with("devices-api", "https://ap/example.com/devices/innovaphone-devices-api", "", &[])
            .with("profile", "https://ap/example.com/users/innovaphone-profile", "gangway-yealink", &[])
            .with("usersadmin", "https://ap/example.com/users/innovaphone-usersadmin", "x,gangway-yealink", &[])
            .with("gangway-admin", &format!("{BASE}/gangway-admin"), "", &["websocket", "admin"])
            .with("gangway-yealink", &format!("{BASE}/gangway-yealink"), "devices-api", &["websocket", "services"])
    }

    fn with(mut self, name: &str, url: &str, apps: &str, flags: &[&'static str]) -> Self {
        self.0.retain(|(known, ..)| known != name);
        self.0.push((name.into(), url.into(), apps.into(), flags.to_vec()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, ..)| known != name);
        self
    }

    fn listed(&self) -> Vec<ListedAppObject> {
        let row = |(number, (name, url, ..)): (usize, &(String, String, String, Vec<_>))| ListedAppObject {
            guid: Guid::parse(&guid(number)),
            name: name.clone(),
            title: name.clone(),
            url: url.clone(),
        };
        self.0.iter().enumerate().map(row).collect()
    }

    fn settings(&self, name: &str) -> Option<AppObjectSettings> {
        let number = self.0.iter().position(|(known, ..)| known == name)?;
        let (name, url, apps, flags) = &self.0[number];
        let mut app = json!({ "url": url });
        for flag in flags {
            app[*flag] = "on".into();
        }
        let message: Value = json!({ "mt": "GetObjectResult", "guid": guid(number), "h323": name, "cn": name,
            "apps": apps, "pseudo": { "type": "app", "app": app } });
        let message = Envelope::parse(&message.to_string(), 99_999).unwrap();
        AppObjectSettings::parse(&message, None)?.ok()
    }

    fn findings_of(&self, needed: &NeededSetup) -> Vec<AppObjectFinding> {
        let listed = self.listed();
        let names = names_to_read(&listed, needed);
        let read = names.iter().filter_map(|name| Some((name.clone(), Some(self.settings(name)?)))).collect();
        plan(&FoundSetup { listed, read }, needed)
    }

    fn findings(&self) -> Vec<AppObjectFinding> {
        self.findings_of(&needed(NeededPassword::Copied))
    }
}

fn needed(password: NeededPassword) -> NeededSetup {
    let object = |app: &str, title: &str| NeededAppObject {
        app: app.into(),
        title: title.into(),
        password,
        password_setting: "password",
    };
    NeededSetup {
        base: BASE.into(),
        path: "/example.com/gangway".into(),
        objects: vec![object("gangway-admin", "gangway"), object("gangway-yealink", "Yealink")],
        connected: ["gangway-admin", "gangway-yealink"].map(str::to_owned).into(),
    }
}

/// The steps' ids, and the keys of the findings without one.
fn outline(findings: &[AppObjectFinding]) -> Vec<String> {
    let one = |finding: &AppObjectFinding| match &finding.step {
        Some(step) => step.id(),
        None => format!("{} {}", finding.object, finding.text.key().trim_start_matches("setup.")),
    };
    let open = findings.iter().filter(|finding| finding.state != AppObjectState::Present);
    open.map(one).collect()
}

#[test]
fn a_site_that_is_set_up_needs_nothing() {
    let findings = Site::ready().findings();
    assert_eq!(outline(&findings), [""; 0]);
    assert_eq!(findings.len(), 4, "both objects, Profile and UsersAdmin: {findings:#?}");
    assert!(findings.iter().all(|finding| finding.by_hand.is_none() && finding.step.is_none()));
    // The objects of other apps may have any names, and gangway's own as well.
    let renamed = Site::ready()
        .without("gangway-yealink")
        .with("desk-phones", &format!("{BASE}/Gangway-Yealink.htm"), "devices-api", &["websocket", "services"])
        .with("profile", "https://ap/x/y/innovaphone-profile", "desk-phones", &[])
        .with("usersadmin", "https://ap/x/y/innovaphone-usersadmin", "desk-phones", &[]);
    let mut wanted = needed(NeededPassword::Copied);
    wanted.connected.insert("desk-phones".into());
    assert_eq!(outline(&renamed.findings_of(&wanted)), [""; 0]);
}

#[test]
fn an_empty_site_gets_both_objects_and_both_ticks() {
    let findings = Site::new().findings();
    assert_eq!(
        outline(&findings),
        [
            "create:gangway-admin",
            "create:gangway-yealink",
            "tick:profile:gangway-yealink",
            "tick:usersadmin:gangway-yealink"
        ]
    );
    let Some(SetupStep::Create { url, apps, .. }) = &findings[1].step else { panic!("{findings:#?}") };
    assert_eq!(
        (url.as_str(), apps.as_slice()),
        ("https://gw.example.com/example.com/gangway/gangway-yealink", &["devices-api".to_owned()][..])
    );
    let by_hand = findings[1].by_hand.as_ref().unwrap().english();
    for part in ["gangway-yealink", url, "`password`", "at most 15 characters", "Websocket and Services", "devices-api"]
    {
        assert!(by_hand.contains(part), "{part} in: {by_hand}");
    }
}

#[test]
fn a_password_that_does_not_fit_is_named_and_creates_nothing() {
    let findings = Site::new().findings_of(&needed(NeededPassword::TooLong));
    assert_eq!((findings[0].step.clone(), findings[1].step.clone()), (None, None));
    let by_hand = findings[1].by_hand.as_ref().unwrap().english();
    assert!(by_hand.contains("longer than the 15 characters") && by_hand.contains("gangway-yealink"), "{by_hand}");
}

#[test]
fn what_is_wrong_is_repaired_within_the_bounds_and_else_left_to_people() {
    let url = format!("{BASE}/gangway-yealink");
    for (site, expected) in [
        // Flags of an own object.
        (
            Site::ready().with("gangway-yealink", &url, "devices-api", &["admin"]),
            "flags:gangway-yealink:Websocket+Services",
        ),
        // An own object under another name: its flags are not touched.
        (Site::ready().without("gangway-yealink").with("desk", &url, "devices-api", &["websocket"]), "desk no-flags"),
        // The URL of an object is never changed.
        (
            Site::ready().with("gangway-yealink", "https://other/a/b/gangway-yealink", "", &[]),
            "gangway-yealink other-url",
        ),
        (
            Site::ready().with("gangway-yealink", &url, "", &["websocket", "services"]),
            "tick:gangway-yealink:devices-api",
        ),
        (
            Site::ready().without("devices-api").with("gangway-yealink", &url, "", &["websocket", "services"]),
            "gangway-yealink no-devices",
        ),
        (
            Site::ready().with("devices2", "https://b/x/y/innovaphone-devices-api", "", &[]).with(
                "gangway-yealink",
                &url,
                "",
                &["websocket", "services"],
            ),
            "gangway-yealink several-devices",
        ),
        (Site::ready().without("profile"), "Profile no-such-app"),
        (Site::ready().with("profile2", "https://b/x/y/innovaphone-profile", "", &[]), "profile2 not-ticked"),
        (
            Site::ready().with("usersadmin", "https://b/innovaphone-usersadmin", "z", &[]),
            "tick:usersadmin:gangway-yealink",
        ),
    ] {
        let findings = site.findings();
        let open = outline(&findings);
        assert!(open.contains(&expected.to_owned()), "{expected}: {open:?}");
        for finding in findings.iter().filter(|finding| finding.state != AppObjectState::Present) {
            let by_hand = finding.by_hand.as_ref().unwrap_or_else(|| panic!("{finding:#?}")).english();
            assert!(!by_hand.contains(['{', '}']), "{by_hand}");
            assert!(!finding.text.english().contains(['{', '}']), "{finding:#?}");
        }
    }
}

#[test]
fn an_object_that_does_not_connect_is_wrong_however_it_looks() {
    let mut wanted = needed(NeededPassword::Copied);
    wanted.connected.clear();
    let open = outline(&Site::ready().findings_of(&wanted));
    assert_eq!(open, ["gangway-admin not-connected", "gangway-yealink not-connected"]);
}

#[test]
fn a_user_of_that_name_is_never_taken_for_a_missing_object() {
    let site = Site::ready().without("gangway-yealink");
    let wanted = needed(NeededPassword::Copied);
    let listed = site.listed();
    let names = names_to_read(&listed, &wanted);
    let read = names.iter().map(|name| (name.clone(), site.settings(name))).collect();
    let open = outline(&plan(&FoundSetup { listed, read }, &wanted));
    assert!(open.contains(&"gangway-yealink not-an-app".to_owned()), "{open:?}");
}

#[test]
fn without_a_provider_nothing_is_ticked_at_other_apps() {
    let mut wanted = needed(NeededPassword::Copied);
    wanted.objects.truncate(1);
    assert_eq!(outline(&Site::new().findings_of(&wanted)), ["create:gangway-admin"]);
}
