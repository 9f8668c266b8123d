//! The app objects and what a login to them may do. App names are compared case-insensitively and without `.htm`: the
//! URL of an app object may point to the page, and its logins then contain the name of the page.

use std::net::IpAddr;

use gangway_wire::appws::{Envelope, LoginKind, LoginRejection, app_info::AppInfoResult};

use crate::{
    catalog::{Provider, Registry},
    phone::instance::Instance,
};

/// Name of the admin app.
pub const ADMIN_APP: &str = "gangway-admin";
/// Prefix of the names of provider apps.
pub const PROVIDER_PREFIX: &str = "gangway-";
/// Suffix of the names of app pages.
const PAGE: &str = ".htm";

/// The name without the page suffix.
fn bare(name: &str) -> &str {
    match name.len().checked_sub(PAGE.len()).and_then(|end| name.split_at_checked(end)) {
        Some((bare, end)) if end.eq_ignore_ascii_case(PAGE) => bare,
        _ => name,
    }
}

/// Whether `name`, as contained in a login or a request, refers to the app `app`.
#[must_use]
pub fn is_name_of(name: &str, app: &str) -> bool {
    bare(name).eq_ignore_ascii_case(app)
}

/// Whether the app is the admin app. `app` is its normalised name.
#[must_use]
pub fn is_admin_app(app: &str) -> bool {
    app == ADMIN_APP
}

fn provider<'a>(name: &str, registry: &'a Registry) -> Option<&'a Provider> {
    let (beginning, rest) = name.split_at_checked(PROVIDER_PREFIX.len())?;
    if !beginning.eq_ignore_ascii_case(PROVIDER_PREFIX) {
        return None;
    }
    let mut all = registry.vendors().flat_map(|vendor| &vendor.providers);
    all.find(|provider| is_name_of(rest, &provider.name))
}

/// The normalised name of the app; `None` when the app is unknown.
#[must_use]
pub fn known(name: &str, registry: &Registry) -> Option<String> {
    if is_name_of(name, ADMIN_APP) {
        return Some(ADMIN_APP.to_owned());
    }
    provider(name, registry).map(|provider| format!("{PROVIDER_PREFIX}{}", provider.name))
}

/// The name of the provider that the app belongs to; `None` for the admin app and unknown names.
#[must_use]
pub fn provider_of<'a>(app: &str, registry: &'a Registry) -> Option<&'a str> {
    if is_name_of(app, ADMIN_APP) { None } else { provider(app, registry).map(|provider| provider.name.as_str()) }
}

/// Checks whether a verified login of this kind may use the app, given by its normalised name. Users of the admin app
/// must connect from the networks in `admin_from`, however they log in. A login without a PBX is allowed only if the
/// instance's configuration permits it.
///
/// # Errors
/// Why the login is rejected.
pub fn admit(app: &str, kind: LoginKind, instance: &Instance, source: IpAddr) -> Result<(), LoginRejection> {
    match kind {
        // The PBX's own connection may use any app.
        LoginKind::PbxSession => Ok(()),
        LoginKind::Other => Err(LoginRejection::NoInfo),
        // Provider apps are assigned to no user, so the PBX admits only services to them. Logins of services may carry
        // `groups`: no document says that only user logins do.
        LoginKind::ServiceLogin | LoginKind::UserLogin if !is_admin_app(app) => Ok(()),
        LoginKind::PasswordLogin if !is_admin_app(app) => Err(LoginRejection::NotByPassword),
        LoginKind::PasswordLogin if !instance.admin_password_login => Err(LoginRejection::PasswordLoginOff),
        // The PBX has checked that this user may use the app. `groups` would distinguish a user from a service, but is
        // missing in some user logins.
        LoginKind::ServiceLogin | LoginKind::UserLogin | LoginKind::PasswordLogin => {
            let is_listed =
                instance.admin_from.is_empty() || instance.admin_from.iter().any(|net| net.contains(&source));
            if is_listed { Ok(()) } else { Err(LoginRejection::Network) }
        }
    }
}

/// The response to AppInfo: the title for a provider app, a page for the admin app. The PBX stores it at the app object
/// that it asked for, so it contains only the information of that app.
#[must_use]
pub fn info(request: &Envelope, login_app: &str, instance: &Instance, registry: &Registry) -> String {
    let requested_app = request.body.get("app").and_then(serde_json::Value::as_str).unwrap_or(login_app);
    let title = provider(requested_app, registry)
        .filter(|_| !is_name_of(requested_app, ADMIN_APP))
        .map(|provider| &provider.title);
    match title {
        Some(title) => {
            let misspelt_too = instance.misspelt_service_info;
            AppInfoResult { misspelt_too, ..AppInfoResult::provider(title) }.answer(request).text()
        }
        None => AppInfoResult::page().answer(request).text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::instance::InstanceId;

    fn instance(admin_password_login: bool, admin_from: &[&str]) -> Instance {
        Instance {
            id: InstanceId(1),
            domain: "example.com".into(),
            name: "gangway".into(),
            password: "pwd".into(),
            admin_password: None,
            public_url: None,
            phone_url: None,
            devices_ca: None,
            devices_url: None,
            devices_pin: None,
            misspelt_service_info: false,
            admin_password_login,
            pbx_apply: false,
            admin_from: admin_from.iter().map(|net| net.parse().unwrap()).collect(),
            frame_ancestors: Vec::new(),
        }
    }

    #[test]
    fn the_app_and_the_kind_of_login_decide() {
        use LoginKind::{Other, PasswordLogin, PbxSession, ServiceLogin, UserLogin};
        let source = IpAddr::from([127, 0, 0, 1]);
        let (closed, open) = (instance(false, &[]), instance(true, &["127.0.0.0/8"]));
        let elsewhere = instance(true, &["192.0.2.0/24"]);
        let provider = "gangway-yealink";
        for (app, kind, instance, expected) in [
            (ADMIN_APP, PbxSession, &elsewhere, Ok(())),
            (ADMIN_APP, ServiceLogin, &closed, Ok(())),
            (ADMIN_APP, UserLogin, &closed, Ok(())),
            (ADMIN_APP, PasswordLogin, &closed, Err(LoginRejection::PasswordLoginOff)),
            (ADMIN_APP, PasswordLogin, &open, Ok(())),
            (ADMIN_APP, Other, &open, Err(LoginRejection::NoInfo)),
            (ADMIN_APP, ServiceLogin, &elsewhere, Err(LoginRejection::Network)),
            (ADMIN_APP, UserLogin, &elsewhere, Err(LoginRejection::Network)),
            (ADMIN_APP, PasswordLogin, &elsewhere, Err(LoginRejection::Network)),
            (provider, PbxSession, &elsewhere, Ok(())),
            (provider, ServiceLogin, &elsewhere, Ok(())),
            (provider, UserLogin, &elsewhere, Ok(())),
            (provider, PasswordLogin, &open, Err(LoginRejection::NotByPassword)),
            (provider, Other, &open, Err(LoginRejection::NoInfo)),
        ] {
            assert_eq!(admit(app, kind, instance, source), expected, "{app} {kind:?}");
        }
    }

    #[test]
    fn names_are_the_same_with_and_without_htm_and_in_any_letters() {
        let registry = Registry::load(None).unwrap();
        for (name, app) in [
            ("gangway-admin", Some("gangway-admin")),
            ("Gangway-Admin.HTM", Some("gangway-admin")),
            ("gangway-yealink", Some("gangway-yealink")),
            ("GANGWAY-YEALINK-DECT.htm", Some("gangway-yealink-dect")),
            ("gangway-yealink.htm.htm", None),
            ("gangway-toaster", None),
            ("gangway-.htm", None),
            ("gangway-\u{e4}.htm", None),
            ("gangwa\u{e4}", None),
            (".htm", None),
            ("", None),
        ] {
            assert_eq!(known(name, &registry).as_deref(), app, "{name}");
            let provider = app.and_then(|app| app.strip_prefix(PROVIDER_PREFIX)).filter(|name| *name != "admin");
            assert_eq!(provider_of(name, &registry), provider, "{name}");
        }
    }
}
