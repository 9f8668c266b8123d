//! Reads the app objects of a PBX and carries out the steps of a plan, over the session of an app object with the flag
//! Admin.
//!
//! What it may do is bounded here, whoever asks: it creates objects named `gangway-...` only, sets Websocket and Services
//! of objects with such names only, and changes nothing but the ticked apps of other app objects. It never sets Admin,
//! never changes a user, a group or a template, and never deletes.

use std::{collections::BTreeSet, sync::Arc};

use gangway_wire::appws::{
    Envelope,
    pbx_admin::{API, AdminError, Guid, ObjectKey, update_object_result},
    pbx_app_objects::{
        AppObjectError, AppObjectSettings, EditedAppObject, FlagForm, ListedAppObject, NewAppObject, NewPassword,
        create_app_object, get_app_object, get_app_objects, get_app_objects_result, update_app_object,
    },
};

use super::{
    admin_api::{admin_error, link_error},
    app_object_plan::{
        FoundSetup, NeededAppObject, NeededPassword, NeededSetup, SetupStep, is_own, names_to_read, provider_app,
    },
    app_objects::{ADMIN_APP, is_admin_app},
    sessions::{PbxSession, PbxSessions},
    user_objects::PbxError,
};
use crate::phone::instance::Instance;

/// Every URL of an app begins so. GetAppObjects compares the beginning.
const ANY_URL: &str = "http";
/// Most parts of a list.
const MOST_PAGES: usize = 100;

/// Why a PBX cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The PBX is away, lacks the right, or refused.
    #[error(transparent)]
    Pbx(#[from] PbxError),
    /// Several PBXs are connected, and only the administrator knows which one is the master.
    #[error("several PBXs are connected ({0}): name the master, at which app objects are kept")]
    Several(String),
    /// The named PBX is not connected with an app object that has the flag Admin.
    #[error("the PBX {name} is not connected with an app object that has the flag Admin; connected so: {known}")]
    UnknownPbx {
        /// The name.
        name: String,
        /// The PBXs that can be named.
        known: String,
    },
    /// Meanwhile the object is no longer as the plan saw it.
    #[error("{object} is not what it was when the plan was made: {reason}. Nothing was changed; make the plan again")]
    Changed {
        /// The object.
        object: String,
        /// What is different.
        reason: String,
    },
    /// The PBX has more app objects than it told of. What seems to be missing may exist.
    #[error("the PBX delivers only a part of its app objects, so it cannot be told what is missing")]
    Incomplete,
    /// The change is not one that gangway may make.
    #[error("gangway does not do this: {0}")]
    OutOfBounds(String),
}

/// The session to set up a PBX with: of an app object with the flag Admin, at the named PBX, or at the only one.
///
/// # Errors
/// If there is none, or if the administrator must name the PBX.
pub fn session(sessions: &PbxSessions, instance: &Instance, pbx: Option<&str>) -> Result<Arc<PbxSession>, SetupError> {
    let all = sessions.of(instance.id);
    if all.is_empty() {
        return Err(PbxError::NoSession.into());
    }
    let admins: Vec<_> = all.into_iter().filter(|session| session.grants(API)).collect();
    let names: BTreeSet<&str> = admins.iter().map(|session| session.identity.pbx.as_str()).collect();
    let known = names.iter().copied().collect::<Vec<_>>().join(", ");
    match pbx {
        None if names.is_empty() => Err(PbxError::NotPermitted.into()),
        None if names.len() > 1 => Err(SetupError::Several(known)),
        None => admins.first().cloned().ok_or(SetupError::Pbx(PbxError::NotPermitted)),
        Some(name) => {
            let is_it = |session: &&Arc<PbxSession>| session.identity.pbx.eq_ignore_ascii_case(name);
            let found = admins.iter().find(is_it).cloned();
            found.ok_or_else(|| SetupError::UnknownPbx { name: name.to_owned(), known })
        }
    }
}

/// The app objects that are needed for these providers (name and title), and those that the PBX has.
///
/// # Errors
/// If the PBX cannot be asked.
pub async fn read(
    sessions: &PbxSessions,
    session: &PbxSession,
    instance: &Instance,
    providers: &[(String, String)],
) -> Result<(NeededSetup, FoundSetup), SetupError> {
    let own = read_named(session, &session.identity.appobj).await?;
    let base = match &instance.public_url {
        Some(url) => base_of(url.as_str(), &instance.path()),
        None => {
            let url = own.url();
            let front = url.rsplit_once('/').map(|(front, _)| front.to_owned());
            front.filter(|front| front.contains("://")).ok_or_else(|| {
                PbxError::Unsupported(format!("the app object {} has no URL", session.identity.appobj))
            })?
        }
    };
    let admin = (ADMIN_APP.to_owned(), "gangway".to_owned());
    let named = providers.iter().map(|(name, title)| (provider_app(name), title.clone()));
    let object = |(app, title): (String, String)| NeededAppObject {
        password: needed_password(session, instance, &app),
        password_setting: password_setting(instance, &app),
        app,
        title,
    };
    let connected = sessions.of(instance.id).into_iter().filter(|one| one.identity.pbx == session.identity.pbx);
    let needed = NeededSetup {
        base,
        path: instance.path(),
        objects: std::iter::once(admin).chain(named).map(object).collect(),
        connected: connected.map(|one| one.identity.appobj.to_ascii_lowercase()).collect(),
    };
    let listed = list(session).await?;
    let mut read = Vec::new();
    for name in names_to_read(&listed, &needed) {
        match read_named(session, &name).await {
            Ok(settings) => read.push((name, Some(settings))),
            Err(SetupError::OutOfBounds(_)) => read.push((name, None)),
            // What is in the list exists, even if it could not be read.
            Err(error) if !is_absent(&error) || listed.iter().any(|known| known.name == name) => return Err(error),
            Err(_) => {}
        }
    }
    Ok((needed, FoundSetup { listed, read }))
}

/// A configured URL with the path of the instance.
fn base_of(url: &str, path: &str) -> String {
    let url = url.trim_end_matches('/');
    let tail = url.len().checked_sub(path.len()).and_then(|start| url.get(start..));
    if tail.is_some_and(|tail| tail.eq_ignore_ascii_case(path)) { url.to_owned() } else { format!("{url}{path}") }
}

fn is_shared(session: &PbxSession, instance: &Instance, app: &str) -> bool {
    instance.admin_password.is_none() || is_admin_app(&session.identity.app) == is_admin_app(app)
}

fn password<'a>(instance: &'a Instance, app: &str) -> &'a gangway_base::secret::Secret {
    match &instance.admin_password {
        Some(own) if is_admin_app(app) => own,
        _ => &instance.password,
    }
}

fn password_setting(instance: &Instance, app: &str) -> &'static str {
    if instance.admin_password.is_some() && is_admin_app(app) { "admin_password" } else { "password" }
}

fn needed_password(session: &PbxSession, instance: &Instance, app: &str) -> NeededPassword {
    if is_shared(session, instance, app) {
        return NeededPassword::Copied;
    }
    match NewAppObject::new(app, "", "", NewPassword::Text(password(instance, app).clone())) {
        Ok(_) => NeededPassword::Sent,
        Err(_) => NeededPassword::TooLong,
    }
}

async fn list(session: &PbxSession) -> Result<Vec<ListedAppObject>, SetupError> {
    let (mut all, mut more) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let request = |src: &str| get_app_objects(src, ANY_URL, more.as_ref());
        let answer = session.link.request("GetAppObjects", request).await.map_err(link_error)?;
        let page = get_app_objects_result(&answer).ok_or_else(|| something_else("GetAppObjects"))?;
        let page = page.map_err(admin_error)?;
        if page.is_cut {
            return Err(SetupError::Incomplete);
        }
        all.extend(page.objects);
        match page.more {
            None => return Ok(all),
            next => more = next,
        }
    }
    Err(SetupError::Incomplete)
}

fn something_else(mt: &str) -> SetupError {
    PbxError::Unsupported(format!("{mt} was answered with something else")).into()
}

/// The app object of this name.
async fn read_named(session: &PbxSession, name: &str) -> Result<AppObjectSettings, SetupError> {
    let answer = session.link.request("GetObject", |src| get_app_object(src, &ObjectKey::H323(name))).await;
    settings(&answer.map_err(link_error)?, None, name)
}

/// Whether a PBX answers so when it has no object of a name. The text of its error is not documented.
fn is_absent(error: &SetupError) -> bool {
    matches!(error, SetupError::Pbx(PbxError::UserNotFound | PbxError::Failed(_)))
}

async fn read_guid(session: &PbxSession, guid: &Guid, name: &str) -> Result<AppObjectSettings, SetupError> {
    let answer = session.link.request("GetObject", |src| get_app_object(src, &ObjectKey::Guid(guid))).await;
    settings(&answer.map_err(link_error)?, Some(guid), name)
}

fn settings(answer: &Envelope, asked: Option<&Guid>, name: &str) -> Result<AppObjectSettings, SetupError> {
    let read = AppObjectSettings::parse(answer, asked).ok_or_else(|| something_else("GetObject"))?;
    read.map_err(|error| match error {
        AppObjectError::Admin(error) => SetupError::Pbx(admin_error(error)),
        AppObjectError::NotAnApp => SetupError::OutOfBounds(format!("{name} is not an app object")),
    })
}

/// A step that was checked against the object as it is now.
#[derive(Debug)]
pub struct PreparedStep {
    step: SetupStep,
    write: Write,
    /// The value that the step changes; `None` for a new object.
    pub former: Option<String>,
}

#[derive(Debug)]
enum Write {
    Create(NewAppObject, FlagForm),
    Edit(EditedAppObject),
    Nothing,
}

/// Reads the object of a step again and prepares the change. Nothing is written.
///
/// # Errors
/// If the object is no longer as the plan saw it, or the step is out of bounds.
pub async fn prepare(session: &PbxSession, instance: &Instance, step: SetupStep) -> Result<PreparedStep, SetupError> {
    let changed = |reason: &str| SetupError::Changed { object: step.object().to_owned(), reason: reason.to_owned() };
    let (write, former) = match &step {
        SetupStep::Create { app, title, url, apps, copies_password } => {
            match read_named(session, app).await {
                Ok(_) | Err(SetupError::OutOfBounds(_)) => return Err(changed("an object of this name exists")),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(error),
            }
            let secret = match *copies_password && is_shared(session, instance, app) {
                true => NewPassword::CopyOf(session.identity.appobj.clone()),
                false => NewPassword::Text(password(instance, app).clone()),
            };
            let new = NewAppObject::new(app, title, url, secret)
                .map_err(|error| SetupError::OutOfBounds(error.to_string()))?;
            let new = if is_admin_app(app) { new } else { new.provider(apps.clone()) };
            let form = read_named(session, &session.identity.appobj).await?.flag_form();
            (Write::Create(new, form), None)
        }
        SetupStep::SetFlags { guid, name, services } => {
            let object = read_guid(session, guid, name).await?;
            if !is_own(&object.name) {
                return Err(SetupError::OutOfBounds(format!("the flags of {name} are not gangway's to set")));
            }
            let has = object.flags();
            let former = [("Websocket", has.websocket), ("Services", has.services), ("Admin", has.admin)];
            let former: Vec<&str> = former.into_iter().filter_map(|(flag, on)| on.then_some(flag)).collect();
            let write = match has.websocket && (has.services || !services) {
                true => Write::Nothing,
                false => Write::Edit(object.with_flags(*services)),
            };
            (write, Some(former.join(", ")))
        }
        SetupStep::Tick { guid, name, apps } => {
            let object = read_guid(session, guid, name).await?;
            let write = match object.has_ticked(apps) {
                true => Write::Nothing,
                false => Write::Edit(object.with_ticked(apps).ok_or_else(|| changed("its Apps have an unknown form"))?),
            };
            (write, Some(object.apps_text()))
        }
    };
    Ok(PreparedStep { step, write, former })
}

/// Writes a prepared step and reads the object back. Returns whether the object is as it should be.
///
/// # Errors
/// If the PBX refuses or does not answer.
pub async fn write(session: &PbxSession, prepared: PreparedStep) -> Result<bool, SetupError> {
    let answer = match &prepared.write {
        Write::Nothing => return Ok(true),
        Write::Create(new, form) => {
            session.link.request("UpdateObject", |src| create_app_object(src, new, *form)).await
        }
        Write::Edit(edited) => session.link.request("UpdateObject", |src| update_app_object(src, edited)).await,
    };
    let result = update_object_result(&answer.map_err(link_error)?).ok_or_else(|| something_else("UpdateObject"))?;
    result.map_err(|error| match error {
        AdminError::Refused(text) => SetupError::Pbx(PbxError::Failed(text)),
        other => SetupError::Pbx(admin_error(other)),
    })?;
    Ok(match &prepared.step {
        SetupStep::Create { app, url, apps, .. } => {
            let made = read_named(session, app).await?;
            let flags = made.flags();
            made.url() == *url && made.has_ticked(apps) && flags.websocket && (flags.services || is_admin_app(app))
        }
        SetupStep::SetFlags { guid, name, services } => {
            let flags = read_guid(session, guid, name).await?.flags();
            flags.websocket && (flags.services || !services)
        }
        SetupStep::Tick { guid, name, apps } => read_guid(session, guid, name).await?.has_ticked(apps),
    })
}
