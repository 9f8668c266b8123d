//! What one source finds at an instance: the apps with their passwords, and who may log in to them now.

use std::{net::IpAddr, sync::Arc};

use gangway_base::clock::SharedClock;
use gangway_wire::appws::{
    LoginKind, Refusal,
    server::{self, App, Apps},
};

use super::{Apis, login_throttle::WrongPasswords};
use crate::{catalog::SharedRegistry, pbx::app_objects, phone::instance::Instance};

struct Doors {
    instance: Arc<Instance>,
    source: IpAddr,
    registry: SharedRegistry,
    wrong: Arc<WrongPasswords>,
    clock: SharedClock,
}

/// The instance as the socket of one source sees it.
#[must_use]
pub fn of(instance: &Arc<Instance>, source: IpAddr, apis: &Apis) -> Arc<server::Instance> {
    let doors = Doors {
        instance: Arc::clone(instance),
        source,
        registry: Arc::clone(&apis.registry),
        wrong: Arc::clone(&apis.wrong_passwords),
        clock: Arc::clone(&apis.clock),
    };
    let passwords = std::iter::once(&instance.password).chain(&instance.admin_password).cloned().collect();
    Arc::new(server::Instance { domain: instance.domain.clone(), passwords, build: None, apps: Box::new(doors) })
}

impl Apps for Doors {
    fn find(&self, name: &str) -> Option<App> {
        let name = app_objects::known(name, &self.registry.load())?;
        let own = self.instance.admin_password.as_ref().filter(|_| app_objects::is_for_people(&name));
        let password = own.unwrap_or(&self.instance.password).clone();
        Some(App { name, password })
    }

    fn attempt(&self, app: Option<&App>, kind: LoginKind, is_proven: bool) -> Result<(), Refusal> {
        let is_person = app.is_some_and(|app| app_objects::is_for_people(&app.name)) && kind != LoginKind::PbxSession;
        self.wrong.attempt(self.source, is_person, is_proven, self.clock.now())
    }

    fn admit(&self, app: &App, kind: LoginKind) -> Result<(), Refusal> {
        app_objects::admit(&app.name, kind, &self.instance, self.source)
    }
}
