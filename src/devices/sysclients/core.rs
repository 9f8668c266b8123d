//! The state of the pool's thread: the phones it holds, and what their connections report.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use gangway_base::{clock::SharedClock, secret::Secret};
use tokio::sync::{Notify, oneshot};

use super::{
    event::{Credential, SysclientSpec},
    handle_state::{HandleState, Status},
    schedule::{ConnectionEnd, Open, Schedule},
};
use crate::{
    net::{error::host_label, websocket::WsConnector},
    phone::{instance::InstanceId, record::PhoneId},
};

/// A phone that the pool holds a connection for.
pub(super) struct OpenSysclient {
    pub(super) spec: SysclientSpec,
    /// A code that Devices has answered or not reacted to; it is never sent again.
    pub(super) spent: Option<Secret>,
    /// Dropping it closes the live connection.
    pub(super) close: Option<oneshot::Sender<()>>,
    /// The number of the live connection. Reports of older connections are ignored.
    pub(super) conn: u64,
}

impl OpenSysclient {
    /// Whether the connection already matches `spec`, so that no new connection is needed.
    fn covers(&self, spec: &SysclientSpec) -> bool {
        let known = |code: &Secret| self.spec.credential.code() == Some(code) || self.spent.as_ref() == Some(code);
        let password = spec.credential.password();
        self.spec.url == spec.url
            && self.spec.mac == spec.mac
            && self.spec.instance == spec.instance
            && self.spec.identity == spec.identity
            && spec.credential.code().is_none_or(known)
            && password.is_none_or(|password| self.spec.credential.password() == Some(password))
    }
}

/// The state of the thread, shared by its tasks.
pub(super) struct PoolState {
    pub(super) schedule: Schedule,
    pub(super) open_sysclients: HashMap<PhoneId, OpenSysclient>,
    pub(super) connectors: HashMap<InstanceId, WsConnector>,
    pub(super) shared: Arc<HandleState>,
    pub(super) clock: SharedClock,
    /// Wakes the loop after a connection reported something.
    pub(super) changed: Rc<Notify>,
}

impl PoolState {
    fn current(&mut self, open: Open) -> Option<&mut OpenSysclient> {
        self.open_sysclients.get_mut(&open.phone).filter(|sysclient| sysclient.conn == open.conn)
    }

    pub(super) fn status(&mut self, open: Open, status: Status) {
        if self.current(open).is_some() {
            self.shared.set_status(open.phone, Some(status));
        }
    }

    pub(super) fn set_spec(&mut self, phone: PhoneId, wanted_spec: Option<SysclientSpec>) {
        let Some(mut spec) = wanted_spec else {
            // Dropping the sender closes the connection; its end is reported with its number.
            self.open_sysclients.remove(&phone);
            self.schedule.drop_phone(phone);
            self.shared.set_status(phone, None);
            return;
        };
        let mut spent = None;
        if let Some(sysclient) = self.open_sysclients.get_mut(&phone) {
            if sysclient.covers(&spec) {
                return;
            }
            let is_same_devices = spec.url == sysclient.spec.url;
            spent = sysclient.spent.take().filter(|_| is_same_devices);
            // Devices may already know the phone and challenge it, so keep the password to answer the challenge.
            if spec.mac == sysclient.spec.mac
                && is_same_devices
                && let Credential::Code(code) = &spec.credential
                && let Some(password) = sysclient.spec.credential.password()
            {
                spec.credential = Credential::CodeOrPassword { code: code.clone(), password: password.clone() };
            }
        }
        self.schedule.hold(phone, &host_label(&spec.url));
        self.open_sysclients.insert(phone, OpenSysclient { spec, spent, close: None, conn: 0 });
        self.shared.set_status(phone, Some(if self.schedule.is_away(phone) { Status::Away } else { Status::Waiting }));
    }

    pub(super) fn opened(&mut self, open: Open) {
        if self.schedule.opened(open.phone, open.conn, self.clock.now()) {
            tracing::info!("Devices is back; its phones are connected again at the set rate");
            self.changed.notify_one();
        }
        self.status(open, Status::Connected);
    }

    /// Devices treated the phone as a member of a domain, or kept silent.
    pub(super) fn answered(&mut self, open: Open, status: Status) {
        self.spend_code(open);
        self.status(open, status);
    }

    /// A new password is on disk: the phone authenticates with it from now on.
    pub(super) fn adopt(&mut self, open: Open, password: &Secret) {
        self.spend_code(open);
        let Some(sysclient) = self.open_sysclients.get_mut(&open.phone) else { return };
        if sysclient.conn == open.conn {
            sysclient.spec.credential = Credential::Password(password.clone());
        } else if let Some(code) = sysclient.spec.credential.code().cloned() {
            // The credential was replaced by a new code in the meantime. That code is unused; the password answers a
            // challenge.
            sysclient.spec.credential = Credential::CodeOrPassword { code, password: password.clone() };
        }
    }

    fn spend_code(&mut self, open: Open) {
        if let Some(sysclient) = self.current(open)
            && let Some(code) = sysclient.spec.credential.code()
        {
            sysclient.spent = Some(code.clone());
        }
    }

    pub(super) fn ended(&mut self, open: Open, how: ConnectionEnd) {
        self.schedule.ended(open.phone, open.conn, how, self.clock.now(), rand::random());
        let away = self.schedule.is_away(open.phone);
        self.status(open, if away { Status::Away } else { Status::Waiting });
        self.changed.notify_one();
    }
}
