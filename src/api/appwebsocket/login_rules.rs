//! The login rules of an instance for one source: the apps with their passwords, and which logins are allowed.

use std::{net::IpAddr, sync::Arc};

use gangway_base::clock::SharedClock;
use gangway_wire::appws::{
    LoginKind, LoginRejection,
    server::{self, App, Apps},
};

use super::{AppWebsocketContext, login_throttle::LoginThrottle};
use crate::{catalog::SharedRegistry, pbx::app_objects, phone::instance::Instance};

struct LoginRules {
    instance: Arc<Instance>,
    source: IpAddr,
    registry: SharedRegistry,
    wrong: Arc<LoginThrottle>,
    clock: SharedClock,
}

/// Returns the instance as it applies to the socket of one source.
#[must_use]
pub fn of(instance: &Arc<Instance>, source: IpAddr, apis: &AppWebsocketContext) -> Arc<server::Instance> {
    let doors = LoginRules {
        instance: Arc::clone(instance),
        source,
        registry: Arc::clone(&apis.registry),
        wrong: Arc::clone(&apis.wrong_passwords),
        clock: Arc::clone(&apis.clock),
    };
    let passwords = std::iter::once(&instance.password).chain(&instance.admin_password).cloned().collect();
    Arc::new(server::Instance { domain: instance.domain.clone(), passwords, build: None, apps: Box::new(doors) })
}

impl Apps for LoginRules {
    fn find(&self, name: &str) -> Option<App> {
        let name = app_objects::known(name, &self.registry.load())?;
        let own = self.instance.admin_password.as_ref().filter(|_| app_objects::is_admin_app(&name));
        let password = own.unwrap_or(&self.instance.password).clone();
        Some(App { name, password })
    }

    fn attempt(&self, app: Option<&App>, kind: LoginKind, is_proven: bool) -> Result<(), LoginRejection> {
        let is_person = app.is_some_and(|app| app_objects::is_admin_app(&app.name)) && kind != LoginKind::PbxSession;
        self.wrong.attempt(self.source, is_person, is_proven, self.clock.now())
    }

    fn admit(&self, app: &App, kind: LoginKind) -> Result<(), LoginRejection> {
        app_objects::admit(&app.name, kind, &self.instance, self.source)
    }
}
