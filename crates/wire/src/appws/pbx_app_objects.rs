//! App objects in the PBX's `PbxAdminApi`: lists them, reads one, creates one of gangway's own, and edits an existing
//! one (SDK page "PbxAdminApi"; members of rows and of `pseudo.app` as the vendor's PBX Manager plugins use them).
//!
//! An UpdateObject without GUID creates an object. Only [`create_app_object`] sends one, and [`NewAppObject`] can hold
//! no name other than `gangway-...`. An edit writes `apps` or two flags of an object that was read as an app object.

use gangway_base::secret::Secret;
use serde_json::{Map, Value, json};

use super::{
    envelope::{Envelope, Outgoing},
    pbx_admin::{API, AdminError, Guid, ObjectKey},
};
use crate::lenient_json;

/// Every app object that gangway creates has a name that begins so.
pub const OWN_PREFIX: &str = "gangway-";
/// The longest name that gangway gives to an object, in characters.
const NAME_LENGTH: usize = 64;
/// The longest password that an app object can hold, in characters.
pub const PASSWORD_LENGTH: usize = 15;

/// Requests the app objects whose URL begins with `uri`. `more` continues a list that the PBX has split.
pub fn get_app_objects(src: &str, uri: &str, more: Option<&Value>) -> Outgoing {
    Outgoing::request(Some(API), "GetAppObjects", src).field("uri", uri).maybe("more", more)
}

/// A row of a GetAppObjectsResult.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAppObject {
    /// GUID of the object; `None` if the row has no usable one.
    pub guid: Option<Guid>,
    /// Name (SIP, H.323).
    pub name: String,
    /// Display name.
    pub title: String,
    /// URL as configured.
    pub url: String,
}

/// A part of the list of app objects.
#[derive(Debug, Clone, PartialEq)]
pub struct AppObjectPage {
    /// The rows; those without a name are left out.
    pub objects: Vec<ListedAppObject>,
    /// The value that requests the next part; `None` for the last one.
    pub more: Option<Value>,
    /// The PBX announces further parts in a way that gangway cannot request.
    pub is_cut: bool,
}

/// Parses a GetAppObjectsResult; `None` for any other message.
///
/// # Errors
/// [`AdminError::Refused`] with the PBX's error text.
#[must_use]
pub fn get_app_objects_result(message: &Envelope) -> Option<Result<AppObjectPage, AdminError>> {
    if message.mt != "GetAppObjectsResult" {
        return None;
    }
    if let Some(error) = message.error() {
        return Some(Err(AdminError::Refused(error)));
    }
    let first = |row: &Value, names: [&str; 2]| names.iter().find_map(|name| lenient_json::text(row, name));
    let objects = lenient_json::rows(&message.body, "objects").iter().filter_map(|row| {
        Some(ListedAppObject {
            guid: lenient_json::text(row, "guid").and_then(|guid| Guid::parse(&guid)),
            name: first(row, ["sip", "h323"]).filter(|name| !name.is_empty())?,
            title: first(row, ["title", "cn"]).unwrap_or_default(),
            url: first(row, ["url", "uri"]).unwrap_or_default(),
        })
    });
    let objects = objects.collect();
    let (more, is_cut) = match message.body.get("more") {
        Some(Value::Bool(true)) => (None, true),
        Some(value @ (Value::String(_) | Value::Number(_))) if *value != json!("") => (Some(value.clone()), false),
        _ => (None, false),
    };
    Some(Ok(AppObjectPage { objects, more, is_cut }))
}

/// Requests the names, the list of ticked apps and the app settings of an object, without what templates add.
pub fn get_app_object(src: &str, key: &ObjectKey<'_>) -> Outgoing {
    let request = Outgoing::request(Some(API), "GetObject", src);
    let request = match key {
        ObjectKey::Guid(guid) => request.field("guid", guid.as_str()),
        ObjectKey::H323(name) => request.field("h323", name),
    };
    request.field("properties", ["guid", "cn", "h323", "apps", "pseudo"]).field("template", "without")
}

/// How the PBX writes a flag that is on. Both forms are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagForm {
    /// `"on"`.
    Word,
    /// `true`.
    Bool,
}

impl FlagForm {
    fn on(self) -> Value {
        match self {
            Self::Word => "on".into(),
            Self::Bool => true.into(),
        }
    }
}

/// The flags of an app object that gangway needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AppFlags {
    /// The PBX connects to the URL.
    pub websocket: bool,
    /// Grants the API `Services`.
    pub services: bool,
    /// Grants `PbxAdminApi`. gangway reads this flag and never writes it.
    pub admin: bool,
}

/// The value of `apps`: the names of ticked app objects. The form is kept when it is written back.
#[derive(Debug, Clone, PartialEq)]
enum TickedApps {
    /// Names separated by commas.
    Text(String),
    /// A list of names.
    List(Vec<Value>),
    /// Any other form. It is never written back.
    Unknown,
}

impl TickedApps {
    fn read(value: Option<&Value>) -> Self {
        match value {
            None | Some(Value::Null) => Self::Text(String::new()),
            Some(Value::String(text)) => Self::Text(text.clone()),
            Some(Value::Array(rows)) if rows.iter().all(Value::is_string) => Self::List(rows.clone()),
            Some(_) => Self::Unknown,
        }
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
            Self::List(rows) => rows.iter().filter_map(Value::as_str).collect(),
            Self::Unknown => Vec::new(),
        }
    }
}

/// An app object as it was read, with everything that must survive an edit.
#[derive(Debug, Clone, PartialEq)]
pub struct AppObjectSettings {
    /// GUID of the object.
    pub guid: Guid,
    /// Name (H.323).
    pub name: String,
    /// Long name.
    pub title: String,
    apps: TickedApps,
    pseudo: Map<String, Value>,
}

/// Why an object cannot be used as an app object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppObjectError {
    /// The PBX returned an error, or knows no such object.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The object is a user, a group, a template, or something else that is not an app.
    #[error("the object is not an app object")]
    NotAnApp,
}

/// A change of an existing app object. It is created from the object as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct EditedAppObject {
    guid: Guid,
    member: &'static str,
    value: Value,
}

impl AppObjectSettings {
    /// Parses the GetObjectResult of [`get_app_object`]; `None` for any other message. If the PBX leaves out the GUID
    /// that the object was requested by, `asked` is used.
    ///
    /// # Errors
    /// See [`AppObjectError`].
    #[must_use]
    pub fn parse(message: &Envelope, asked: Option<&Guid>) -> Option<Result<Self, AppObjectError>> {
        (message.mt == "GetObjectResult").then(|| Self::read(message, asked))
    }

    fn read(message: &Envelope, asked: Option<&Guid>) -> Result<Self, AppObjectError> {
        if let Some(error) = message.error() {
            return Err(AdminError::Refused(error).into());
        }
        let body = &message.body;
        let guid = match lenient_json::text(body, "guid") {
            Some(guid) => Guid::parse(&guid),
            None => asked.cloned(),
        };
        let guid = guid.ok_or(AdminError::NotFound)?;
        let pseudo = body.get("pseudo").and_then(Value::as_object).ok_or(AppObjectError::NotAnApp)?;
        let kind = pseudo.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind != "app" || !pseudo.get("app").is_some_and(Value::is_object) {
            return Err(AppObjectError::NotAnApp);
        }
        Ok(Self {
            guid,
            name: lenient_json::text_or_empty(body, "h323"),
            title: lenient_json::text_or_empty(body, "cn"),
            apps: TickedApps::read(body.get("apps")),
            pseudo: pseudo.clone(),
        })
    }

    fn app(&self) -> &Value {
        self.pseudo.get("app").unwrap_or(&Value::Null)
    }

    /// The URL as configured; empty if there is none.
    #[must_use]
    pub fn url(&self) -> String {
        lenient_json::text_or_empty(self.app(), "url")
    }

    /// The flags. A missing flag is off.
    #[must_use]
    pub fn flags(&self) -> AppFlags {
        let on = |name: &str| lenient_json::flag(self.app(), name);
        AppFlags { websocket: on("websocket"), services: on("services"), admin: on("admin") }
    }

    /// How this object writes flags; `"on"` if it has none.
    #[must_use]
    pub fn flag_form(&self) -> FlagForm {
        let bools = ["websocket", "services", "admin", "hidden", "web"]
            .iter()
            .any(|name| self.app().get(name).is_some_and(Value::is_boolean));
        if bools { FlagForm::Bool } else { FlagForm::Word }
    }

    /// The names of the ticked apps; `None` if the PBX writes them in a form that gangway does not know.
    #[must_use]
    pub fn ticked(&self) -> Option<Vec<&str>> {
        (self.apps != TickedApps::Unknown).then(|| self.apps.names())
    }

    /// The value of `apps` as it was read, for the person who may want it back.
    #[must_use]
    pub fn apps_text(&self) -> String {
        self.apps.names().join(",")
    }

    /// Whether all these apps are ticked. Names are compared case-insensitively.
    #[must_use]
    pub fn has_ticked(&self, names: &[String]) -> bool {
        let ticked = self.apps.names();
        names.iter().all(|name| ticked.iter().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// Returns the change that ticks these apps in addition to those that are ticked. `None` if the form of the list is
    /// unknown.
    #[must_use]
    pub fn with_ticked(&self, names: &[String]) -> Option<EditedAppObject> {
        let ticked = self.apps.names();
        let new = names.iter().filter(|name| !ticked.iter().any(|known| known.eq_ignore_ascii_case(name)));
        let value = match &self.apps {
            TickedApps::Text(text) => {
                let mut text = text.trim_end_matches([',', ' ']).to_owned();
                for name in new {
                    if !text.is_empty() {
                        text.push(',');
                    }
                    text.push_str(name);
                }
                Value::String(text)
            }
            TickedApps::List(rows) => {
                let new = new.map(|name| Value::String(name.clone()));
                Value::Array(rows.iter().cloned().chain(new).collect())
            }
            TickedApps::Unknown => return None,
        };
        Some(EditedAppObject { guid: self.guid.clone(), member: "apps", value })
    }

    /// Returns the change that sets Websocket, and Services if `services` is set. All other members, and flags that are
    /// on already, stay as they were read.
    #[must_use]
    pub fn with_flags(&self, services: bool) -> EditedAppObject {
        let mut pseudo = self.pseudo.clone();
        let form = self.flag_form();
        if let Some(Value::Object(app)) = pseudo.get_mut("app") {
            for (name, wanted) in [("websocket", true), ("services", services)] {
                if wanted && !app.get(name).is_some_and(lenient_json::is_true) {
                    app.insert(name.to_owned(), form.on());
                }
            }
        }
        EditedAppObject { guid: self.guid.clone(), member: "pseudo", value: Value::Object(pseudo) }
    }
}

/// Writes one member of an existing object. Members that are not sent keep their values.
pub fn update_app_object(src: &str, edited: &EditedAppObject) -> Outgoing {
    Outgoing::request(Some(API), "UpdateObject", src)
        .field("guid", edited.guid.as_str())
        .field("template", "without")
        .field(edited.member, &edited.value)
}

/// The password of a new app object.
#[derive(Debug, Clone)]
pub enum NewPassword {
    /// That of the app object with this name.
    CopyOf(String),
    /// This one.
    Text(Secret),
}

/// Why an app object cannot be created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NewAppObjectError {
    /// Only names of the form `gangway-...` are created.
    #[error("gangway creates only app objects whose names are gangway-... with small letters, digits and hyphens")]
    Name,
    /// A PBX object holds at most 15 characters.
    #[error("the password is empty or has more than {PASSWORD_LENGTH} characters, which an app object cannot hold")]
    Password,
}

/// An app object of gangway's that is to be created.
#[derive(Debug, Clone)]
pub struct NewAppObject {
    name: String,
    title: String,
    url: String,
    password: NewPassword,
    services: bool,
    hidden: bool,
    apps: Vec<String>,
}

impl NewAppObject {
    /// An app object with the flag Websocket.
    ///
    /// # Errors
    /// If the name is not one of gangway's, or the password does not fit.
    pub fn new(name: &str, title: &str, url: &str, password: NewPassword) -> Result<Self, NewAppObjectError> {
        let rest = name.strip_prefix(OWN_PREFIX).unwrap_or_default();
        let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if rest.is_empty() || name.len() > NAME_LENGTH || !rest.bytes().all(is_plain) {
            return Err(NewAppObjectError::Name);
        }
        if let NewPassword::Text(text) = &password
            && (text.is_empty() || text.expose().chars().count() > PASSWORD_LENGTH)
        {
            return Err(NewAppObjectError::Password);
        }
        let (name, title, url) = (name.to_owned(), title.to_owned(), url.to_owned());
        Ok(Self { name, title, url, password, services: false, hidden: false, apps: Vec::new() })
    }

    /// Makes it a provider's object: no user opens it, the flag Services is set, and these apps are ticked.
    #[must_use]
    pub fn provider(self, apps: Vec<String>) -> Self {
        Self { services: true, hidden: true, apps, ..self }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Creates an app object. This is the only request without a GUID. The flag Admin is never set.
pub fn create_app_object(src: &str, new: &NewAppObject, form: FlagForm) -> Outgoing {
    let mut app = Map::new();
    app.insert("url".to_owned(), new.url.clone().into());
    for (name, wanted) in [("websocket", true), ("services", new.services), ("hidden", new.hidden)] {
        if wanted {
            app.insert(name.to_owned(), form.on());
        }
    }
    let request = Outgoing::request(Some(API), "UpdateObject", src)
        .field("template", "without")
        .field("hide", true)
        .field("critical", true)
        .field("cn", &new.title)
        .field("h323", &new.name);
    let request = match &new.password {
        NewPassword::CopyOf(name) => request.field("copyPwd", name),
        NewPassword::Text(text) => request.field("pwd", text.expose()),
    };
    let apps = (!new.apps.is_empty()).then(|| new.apps.join(","));
    request.maybe("apps", apps).field("pseudo", json!({ "type": "app", "app": app }))
}

#[cfg(test)]
mod tests;
