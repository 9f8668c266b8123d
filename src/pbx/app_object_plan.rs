//! Compares the app objects of a PBX with those that gangway needs, and says what to change. Pure: the objects are read
//! and the steps are carried out by [`super::app_object_setup`].
//!
//! The app objects of the Users app are recognised by the end of their URL: `innovaphone-profile` and
//! `innovaphone-usersadmin` (page "Concept App Service Users"), the Devices API by `innovaphone-devices-api`.

use std::collections::BTreeSet;

use gangway_wire::appws::{
    pbx_admin::Guid,
    pbx_app_objects::{AppObjectSettings, ListedAppObject, OWN_PREFIX, PASSWORD_LENGTH},
};

use super::app_objects::{ADMIN_APP, PROVIDER_PREFIX};
use crate::base::i18n::{Message, message_keys};

message_keys! { "setup.":
    PRESENT = "present";
    MISSING = "missing";
    NOT_AN_APP = "not-an-app";
    OTHER_URL = "other-url";
    NO_FLAGS = "no-flags";
    NOT_CONNECTED = "not-connected";
    NO_DEVICES_TICK = "no-devices-tick";
    NO_DEVICES = "no-devices";
    SEVERAL_DEVICES = "several-devices";
    TICKED = "ticked";
    NOT_TICKED = "not-ticked";
    NO_SUCH_APP = "no-such-app";
    WILL_CREATE = "will-create";
    WILL_FLAG = "will-flag";
    WILL_TICK = "will-tick";
    HAND_CREATE = "hand-create";
    HAND_CREATE_ADMIN = "hand-create-admin";
    HAND_PASSWORD = "hand-password";
    HAND_RENAME = "hand-rename";
    HAND_URL = "hand-url";
    HAND_CONNECT = "hand-connect";
    HAND_FLAG = "hand-flag";
    HAND_TICK = "hand-tick";
    HAND_TICK_APP = "hand-tick-app";
    HAND_TICK_ONE = "hand-tick-one";
}

/// End of the URL of the Devices API's app object.
const DEVICES_API_APP: &str = "innovaphone-devices-api";
/// Usual name of that object, for texts.
const DEVICES_API_NAME: &str = "devices-api";
/// The apps that offer providers to users: end of the URL, name for people.
const OFFERING_APPS: [(&str, &str); 2] = [("innovaphone-profile", "Profile"), ("innovaphone-usersadmin", "UsersAdmin")];

/// An app object that gangway needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededAppObject {
    /// Name of the app and of the object: `gangway-...`.
    pub app: String,
    /// Long name of a new object.
    pub title: String,
    /// Whether a new object can be given its password.
    pub password: NeededPassword,
    /// Name of the setting with the password, for texts.
    pub password_setting: &'static str,
}

/// How a new object gets its password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeededPassword {
    /// The PBX copies it from the object that the requests are sent over.
    Copied,
    /// gangway sends it.
    Sent,
    /// It is too long for an object.
    TooLong,
}

impl NeededAppObject {
    fn is_provider(&self) -> bool {
        self.app != ADMIN_APP
    }
}

/// What gangway needs at a PBX.
#[derive(Debug, Clone)]
pub struct NeededSetup {
    /// `https://host/<domain>/<instance>`, without a slash at the end.
    pub base: String,
    /// `/<domain>/<instance>`.
    pub path: String,
    /// The app objects.
    pub objects: Vec<NeededAppObject>,
    /// Names of the app objects that are connected to this gateway, in lower case.
    pub connected: BTreeSet<String>,
}

/// The app objects of a PBX.
#[derive(Debug, Clone, Default)]
pub struct FoundSetup {
    /// All of them.
    pub listed: Vec<ListedAppObject>,
    /// Those that matter, by name in lower case. `None` if the object of this name is not an app object.
    pub read: Vec<(String, Option<AppObjectSettings>)>,
}

/// The result of one comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AppObjectState {
    /// As it should be.
    Present,
    /// It does not exist.
    Missing,
    /// It exists, but not as it should be.
    Wrong,
}

impl AppObjectState {
    /// The lasting word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Missing => "missing",
            Self::Wrong => "wrong",
        }
    }
}

/// A change that gangway may make. Everything else is for an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetupStep {
    /// Creates an object of gangway's.
    Create {
        /// Its name.
        app: String,
        /// Its long name.
        title: String,
        /// Its URL.
        url: String,
        /// The apps to tick.
        apps: Vec<String>,
        /// Whether its password is copied from the object that the requests are sent over.
        copies_password: bool,
    },
    /// Sets Websocket, and Services for a provider, of an object of gangway's.
    SetFlags {
        /// The object.
        guid: Guid,
        /// Its name.
        name: String,
        /// Whether Services is set as well.
        services: bool,
    },
    /// Ticks apps at an object.
    Tick {
        /// The object.
        guid: Guid,
        /// Its name.
        name: String,
        /// The apps to tick.
        apps: Vec<String>,
    },
}

impl SetupStep {
    /// Identifies the step, so that only a step is carried out that somebody has confirmed.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Create { app, .. } => format!("create:{app}"),
            Self::SetFlags { name, services, .. } => format!("flags:{name}:{}", flags(*services).join("+")),
            Self::Tick { name, apps, .. } => format!("tick:{name}:{}", apps.join("+")),
        }
    }

    /// The name of the object.
    #[must_use]
    pub fn object(&self) -> &str {
        match self {
            Self::Create { app: name, .. } | Self::SetFlags { name, .. } | Self::Tick { name, .. } => name,
        }
    }

    /// What the step does.
    #[must_use]
    pub fn will(&self) -> Message {
        match self {
            Self::Create { app, url, apps, .. } => WILL_CREATE
                .with("object", app.as_str())
                .with("url", url.as_str())
                .with("flags", flags(app != ADMIN_APP).join(", "))
                .with("apps", or_none(apps)),
            Self::SetFlags { name, services, .. } => {
                WILL_FLAG.with("object", name.as_str()).with("flags", flags(*services).join(", "))
            }
            Self::Tick { name, apps, .. } => WILL_TICK.with("object", name.as_str()).with("apps", apps.join(", ")),
        }
    }
}

fn flags(services: bool) -> Vec<&'static str> {
    if services { vec!["Websocket", "Services"] } else { vec!["Websocket"] }
}

fn or_none(apps: &[String]) -> String {
    if apps.is_empty() { "-".to_owned() } else { apps.join(", ") }
}

/// A finding about one app object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppObjectFinding {
    /// Name of the object, or of the app if the object was not found.
    pub object: String,
    /// The result.
    pub state: AppObjectState,
    /// What was found.
    pub text: Message,
    /// What gangway may do about it.
    pub step: Option<SetupStep>,
    /// What an administrator may enter; `None` if there is nothing to enter.
    pub by_hand: Option<Message>,
}

impl AppObjectFinding {
    fn present(object: &str, text: Message) -> Self {
        Self { object: object.to_owned(), state: AppObjectState::Present, text, step: None, by_hand: None }
    }

    fn wrong(object: &str, text: Message, by_hand: Message) -> Self {
        let by_hand = Some(by_hand);
        Self { object: object.to_owned(), state: AppObjectState::Wrong, text, step: None, by_hand }
    }
}

/// Whether the last component of a URL is this app, with or without `.htm`, in any letters.
fn leads_to(url: &str, app: &str) -> bool {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    url.rsplit('/').next().is_some_and(|last| super::app_objects::is_name_of(last, app))
}

/// The path of a URL without its last component.
fn instance_path(url: &str) -> &str {
    let path = url.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|start| rest.get(start..)));
    path.and_then(|path| path.rsplit_once('/')).map_or("", |(front, _)| front)
}

/// The names of the objects that a plan needs to read, besides gangway's own.
#[must_use]
pub fn names_to_read(listed: &[ListedAppObject], needed: &NeededSetup) -> BTreeSet<String> {
    let offers = |object: &&ListedAppObject| OFFERING_APPS.iter().any(|(app, _)| leads_to(&object.url, app));
    let others = listed.iter().filter(offers).map(|object| object.name.clone());
    let own = needed.objects.iter().map(|object| own_name(listed, needed, object));
    own.chain(others).collect()
}

/// The name of the object of an app: the one whose URL leads to this instance, else the app's own name.
fn own_name(listed: &[ListedAppObject], needed: &NeededSetup, object: &NeededAppObject) -> String {
    let is_it = |listed: &&ListedAppObject| {
        leads_to(&listed.url, &object.app) && instance_path(&listed.url).eq_ignore_ascii_case(&needed.path)
    };
    listed.iter().find(is_it).map_or_else(|| object.app.clone(), |found| found.name.clone())
}

/// Compares what was found with what is needed. Findings of gangway's objects come first, then those of the apps that
/// offer providers.
#[must_use]
pub fn plan(found: &FoundSetup, needed: &NeededSetup) -> Vec<AppObjectFinding> {
    let mut findings = Vec::new();
    let mut providers = Vec::new();
    for object in &needed.objects {
        let name = own_name(&found.listed, needed, object);
        let read = found.read.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name)).map(|(_, read)| read);
        match read {
            None => findings.push(missing(found, needed, object)),
            Some(None) => findings.push(AppObjectFinding::wrong(
                &name,
                NOT_AN_APP.with("object", name.as_str()),
                HAND_RENAME.with("object", name.as_str()),
            )),
            Some(Some(settings)) => existing(found, needed, object, settings, &mut findings),
        }
        if object.is_provider() {
            providers.push(name);
        }
    }
    if !providers.is_empty() {
        for (app, title) in OFFERING_APPS {
            offering(found, app, title, &providers, &mut findings);
        }
    }
    findings
}

fn missing(found: &FoundSetup, needed: &NeededSetup, object: &NeededAppObject) -> AppObjectFinding {
    let app = object.app.as_str();
    let url = format!("{}/{app}", needed.base);
    let apps = if object.is_provider() { devices_to_tick(found) } else { Vec::new() };
    let hand = if object.is_provider() { HAND_CREATE } else { HAND_CREATE_ADMIN };
    let by_hand = hand
        .with("object", app)
        .with("url", url.as_str())
        .with("setting", object.password_setting)
        .with("most", PASSWORD_LENGTH)
        .with("apps", if apps.is_empty() { DEVICES_API_NAME.to_owned() } else { apps.join(", ") });
    let step = (object.password != NeededPassword::TooLong).then(|| SetupStep::Create {
        app: app.to_owned(),
        title: object.title.clone(),
        url,
        apps,
        copies_password: object.password == NeededPassword::Copied,
    });
    let by_hand = match step {
        Some(_) => by_hand,
        None => HAND_PASSWORD
            .with("setting", object.password_setting)
            .with("most", PASSWORD_LENGTH)
            .with("then", by_hand.nested()),
    };
    AppObjectFinding {
        object: app.to_owned(),
        state: AppObjectState::Missing,
        text: MISSING.with("object", app).with("title", object.title.as_str()),
        step,
        by_hand: Some(by_hand),
    }
}

fn existing(
    found: &FoundSetup,
    needed: &NeededSetup,
    object: &NeededAppObject,
    settings: &AppObjectSettings,
    findings: &mut Vec<AppObjectFinding>,
) {
    // A PBX may leave the name out.
    let name = if settings.name.is_empty() { object.app.clone() } else { settings.name.clone() };
    let url = settings.url();
    if !leads_to(&url, &object.app) || !instance_path(&url).eq_ignore_ascii_case(&needed.path) {
        let wanted = format!("{}/{}", needed.base, object.app);
        findings.push(AppObjectFinding::wrong(
            &name,
            OTHER_URL.with("object", name.as_str()).with("url", url),
            HAND_URL.with("object", name.as_str()).with("url", wanted),
        ));
        return;
    }
    let before = findings.len();
    let (has, services) = (settings.flags(), object.is_provider());
    let lacks: Vec<&str> = [("Websocket", has.websocket), ("Services", has.services || !services)]
        .into_iter()
        .filter_map(|(flag, is_set)| (!is_set).then_some(flag))
        .collect();
    if !lacks.is_empty() {
        let step = SetupStep::SetFlags { guid: settings.guid.clone(), name: name.clone(), services };
        let is_own = is_own(&name);
        findings.push(AppObjectFinding {
            object: name.clone(),
            state: AppObjectState::Wrong,
            text: NO_FLAGS.with("object", name.as_str()).with("flags", lacks.join(", ")),
            by_hand: Some(HAND_FLAG.with("object", name.as_str()).with("flags", lacks.join(", "))),
            step: is_own.then_some(step),
        });
    } else if !needed.connected.contains(&name.to_ascii_lowercase()) {
        let wanted = format!("{}/{}", needed.base, object.app);
        findings.push(AppObjectFinding::wrong(
            &name,
            NOT_CONNECTED.with("object", name.as_str()),
            HAND_CONNECT
                .with("object", name.as_str())
                .with("setting", object.password_setting)
                .with("most", PASSWORD_LENGTH)
                .with("url", wanted),
        ));
    }
    if services {
        findings.extend(devices_tick(found, &name, settings));
    }
    if findings.len() == before {
        findings.push(AppObjectFinding::present(&name, PRESENT.with("object", name.as_str()).with("url", url)));
    }
}

/// The objects of Devices APIs.
fn devices_apis(found: &FoundSetup) -> Vec<String> {
    found
        .listed
        .iter()
        .filter(|object| leads_to(&object.url, DEVICES_API_APP))
        .map(|object| object.name.clone())
        .collect()
}

/// The Devices API to tick at a new object: the only one.
fn devices_to_tick(found: &FoundSetup) -> Vec<String> {
    let mut apis = devices_apis(found);
    if apis.len() > 1 {
        apis.clear();
    }
    apis
}

/// A finding if no Devices API is ticked at a provider's object.
fn devices_tick(found: &FoundSetup, name: &str, settings: &AppObjectSettings) -> Option<AppObjectFinding> {
    let apis = devices_apis(found);
    if apis.iter().any(|api| settings.has_ticked(std::slice::from_ref(api))) {
        return None;
    }
    Some(match apis.as_slice() {
        [] => AppObjectFinding::wrong(
            name,
            NO_DEVICES.with("object", name).with("app", DEVICES_API_APP),
            HAND_TICK.with("object", name).with("apps", DEVICES_API_NAME),
        ),
        [_] => tick(name, settings, &apis, NO_DEVICES_TICK.with("object", name).with("apps", apis.join(", "))),
        _ => AppObjectFinding::wrong(
            name,
            SEVERAL_DEVICES.with("object", name).with("apps", apis.join(", ")),
            HAND_TICK_ONE.with("object", name).with("apps", apis.join(", ")),
        ),
    })
}

/// A finding with the step that ticks `apps`, or with the request to do so by hand if the form of the list is unknown.
fn tick(name: &str, settings: &AppObjectSettings, apps: &[String], text: Message) -> AppObjectFinding {
    let step = settings.ticked().map(|_| SetupStep::Tick {
        guid: settings.guid.clone(),
        name: name.to_owned(),
        apps: apps.iter().filter(|app| !settings.has_ticked(std::slice::from_ref(*app))).cloned().collect(),
    });
    let by_hand = Some(HAND_TICK.with("object", name).with("apps", apps.join(", ")));
    AppObjectFinding { object: name.to_owned(), state: AppObjectState::Wrong, text, step, by_hand }
}

/// Findings about an app that offers providers to users.
fn offering(found: &FoundSetup, app: &str, title: &str, providers: &[String], findings: &mut Vec<AppObjectFinding>) {
    let objects: Vec<&str> =
        found.listed.iter().filter(|object| leads_to(&object.url, app)).map(|object| object.name.as_str()).collect();
    let all = providers.join(", ");
    if objects.is_empty() {
        findings.push(AppObjectFinding {
            state: AppObjectState::Missing,
            ..AppObjectFinding::wrong(
                title,
                NO_SUCH_APP.with("title", title).with("app", app),
                HAND_TICK_APP.with("title", title).with("apps", all),
            )
        });
        return;
    }
    for name in &objects {
        let read = found.read.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, read)| read);
        let Some(Some(settings)) = read else {
            findings.push(AppObjectFinding::wrong(
                name,
                NOT_AN_APP.with("object", *name),
                HAND_TICK.with("object", *name).with("apps", all.as_str()),
            ));
            continue;
        };
        if settings.has_ticked(providers) {
            let text = TICKED.with("object", *name).with("title", title).with("apps", all.as_str());
            findings.push(AppObjectFinding::present(name, text));
            continue;
        }
        let lacking: Vec<String> =
            providers.iter().filter(|one| !settings.has_ticked(std::slice::from_ref(*one))).cloned().collect();
        let text = NOT_TICKED.with("object", *name).with("title", title).with("apps", lacking.join(", "));
        let mut finding = tick(name, settings, &lacking, text);
        // With several objects of one app it cannot be told for which users a provider is meant.
        if objects.len() > 1 {
            finding.step = None;
        }
        findings.push(finding);
    }
}

/// Whether gangway may set the flags of an object of this name.
#[must_use]
pub fn is_own(name: &str) -> bool {
    name.get(..OWN_PREFIX.len()).is_some_and(|front| front.eq_ignore_ascii_case(OWN_PREFIX))
}

/// The name of a provider's app.
#[must_use]
pub fn provider_app(provider: &str) -> String {
    format!("{PROVIDER_PREFIX}{provider}")
}

#[cfg(test)]
mod tests;
