//! The fleet and the manifests as provisioning sees them.

use tokio::sync::mpsc;

use crate::{
    phone::record::PhoneId,
    provision::{
        flow,
        ports::{ProviderFacts, Providers, SameMac, SysclientEvent, SysclientHold, SysclientKind, Sysclients},
    },
    sysclients::{Credential, Fleet, FleetEvent, FleetEventKind, HoldSpec},
    tasks::Tasks,
    vendor::{self, SharedRegistry},
};

/// The fleet.
pub struct HeldSysclients(pub Fleet);

impl Sysclients for HeldSysclients {
    fn hold(&self, hold: SysclientHold) {
        let SysclientHold { phone, instance, url, mac, product, version, credential } = hold;
        let credential = match credential {
            flow::Credential::Code(code) => Credential::Code(code),
            flow::Credential::Password(password) => Credential::Password(password),
            flow::Credential::CodeOrPassword { code, password } => Credential::CodeOrPassword { code, password },
        };
        self.0.hold(HoldSpec { phone, instance, url, mac, product, version, credential });
    }

    fn drop_phone(&self, phone: PhoneId) {
        self.0.drop_phone(phone);
    }
}

/// Hands the fleet's events to provisioning, in their order; both queues are bounded, so a slow store makes the
/// sockets wait.
pub async fn forward(mut from: mpsc::Receiver<FleetEvent>, to: mpsc::Sender<SysclientEvent>, tasks: Tasks) {
    loop {
        let event = tokio::select! {
            event = from.recv() => event,
            () = tasks.stopping() => return,
        };
        let Some(FleetEvent { phone, conn, kind }) = event else { return };
        let kind = match kind {
            // An attempt tells provisioning nothing: its outcome does.
            FleetEventKind::Connecting => continue,
            FleetEventKind::Connected => SysclientKind::Connected,
            FleetEventKind::Password { password, stored } => SysclientKind::Password { password, stored },
            FleetEventKind::AdminPassword(password) => SysclientKind::AdminPassword(password),
            FleetEventKind::Item(item) => SysclientKind::Item(item),
            FleetEventKind::Last => SysclientKind::Last,
            FleetEventKind::Silence => SysclientKind::Silence,
            FleetEventKind::Closed { reason } => SysclientKind::Closed(reason),
            FleetEventKind::EndpointAway { endpoint, reason } => {
                SysclientKind::EndpointAway(format!("{reason} ({endpoint})"))
            }
        };
        if to.send(SysclientEvent { phone, conn, kind }).await.is_err() {
            return;
        }
    }
}

/// The manifests.
pub struct Manifests(pub SharedRegistry);

impl Providers for Manifests {
    fn provider(&self, name: &str) -> Option<ProviderFacts> {
        let registry = self.0.load();
        let (vendor, provider) = registry.provider(name)?;
        Some(ProviderFacts {
            vendor: vendor.name.to_string(),
            title: vendor.title.clone(),
            same_mac: match provider.same_mac {
                vendor::SameMac::Replace => SameMac::Replace,
                vendor::SameMac::Add => SameMac::Add,
            },
        })
    }

    fn vendors(&self) -> Vec<(String, String)> {
        self.0.load().vendors().map(|vendor| (vendor.name.to_string(), vendor.redirect.default.clone())).collect()
    }
}
