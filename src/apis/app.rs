//! Which apps there are and what a login to them may do.

use std::net::IpAddr;

use crate::{
    phone::instance::Instance,
    vendor::Registry,
    wire::appws::{Envelope, LoginKind, app_info::AppInfoResult},
};

/// The app of people.
pub const ADMIN_APP: &str = "gangway-admin";
/// What the name of a provider's app begins with.
pub const PROVIDER_PREFIX: &str = "gangway-";

/// The name of the provider whose app this is; `None` for the admin app and unknown names.
#[must_use]
pub fn provider_of<'a>(app: &'a str, registry: &Registry) -> Option<&'a str> {
    if app == ADMIN_APP {
        return None;
    }
    let name = app.strip_prefix(PROVIDER_PREFIX)?;
    registry.provider(name).map(|_| name)
}

/// Whether a proven login of this kind may use this app. The password login of people without a PBX exists only where
/// the instance's configuration opened it, and only from its networks.
#[must_use]
pub fn admits(app: &str, kind: LoginKind, instance: &Instance, source: IpAddr, registry: &Registry) -> bool {
    if app == ADMIN_APP {
        return match kind {
            // The PBX checked that this person may use the app; `groups`, which tell a person from a service, are not
            // there in every login of a person.
            LoginKind::PbxSession | LoginKind::UserLogin | LoginKind::ServiceLogin => true,
            LoginKind::PasswordLogin => {
                instance.admin_password_login
                    && (instance.admin_from.is_empty() || instance.admin_from.iter().any(|net| net.contains(&source)))
            }
            LoginKind::Other => false,
        };
    }
    // Provider apps are granted to no user, so whoever the PBX lets in there is a service, whether or not its login
    // carries `groups`: no document says that only people's logins do.
    let admitted = matches!(kind, LoginKind::PbxSession | LoginKind::ServiceLogin | LoginKind::UserLogin);
    admitted && provider_of(app, registry).is_some()
}

/// The answer to AppInfo: a provider publishes its title, the admin app a page. Stored by the PBX at the app object
/// that was asked for, so only that app's information may be in it.
#[must_use]
pub fn info(request: &Envelope, login_app: &str, registry: &Registry) -> String {
    let asked = request.body.get("app").and_then(serde_json::Value::as_str).unwrap_or(login_app);
    let title =
        provider_of(asked, registry).and_then(|name| registry.provider(name)).map(|(_, provider)| &provider.title);
    match title {
        Some(title) => AppInfoResult::provider(title).answer(request).text(),
        None => AppInfoResult::page().answer(request).text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::instance::InstanceId;

    #[test]
    fn the_app_and_the_kind_of_login_decide() {
        let registry = Registry::load(None).unwrap();
        let instance = Instance {
            id: InstanceId(1),
            domain: "example.com".into(),
            name: "gangway".into(),
            password: "pwd".into(),
            public_url: None,
            phone_url: None,
            devices_ca: None,
            devices_pin: None,
            admin_password_login: false,
            admin_from: Vec::new(),
            frame_ancestors: Vec::new(),
        };
        let source = IpAddr::from([127, 0, 0, 1]);
        for (app, kind, expected) in [
            (ADMIN_APP, LoginKind::ServiceLogin, true),
            (ADMIN_APP, LoginKind::UserLogin, true),
            (ADMIN_APP, LoginKind::PasswordLogin, false),
            (ADMIN_APP, LoginKind::Other, false),
            ("gangway-yealink", LoginKind::ServiceLogin, true),
            ("gangway-yealink", LoginKind::UserLogin, true),
            ("gangway-yealink", LoginKind::PasswordLogin, false),
            ("gangway-toaster", LoginKind::ServiceLogin, false),
        ] {
            assert_eq!(admits(app, kind, &instance, source, &registry), expected, "{app} {kind:?}");
        }
    }
}
