//! Whether the gateway can do its work, and what keeps it from it.

use std::sync::Arc;

use crate::{
    http::ports::{NotReady, Readiness},
    links::{devices::DevicesLinks, pbx::PbxSessions},
    phone::instance::Instances,
    provision::moving::moving,
    store::Store,
    vendor::LiveFolders,
    wire::appws::{pbx_admin, services},
};

/// Looks at the links.
pub struct LinksReadiness {
    /// The tenants.
    pub instances: Instances,
    /// PBX sessions.
    pub sessions: PbxSessions,
    /// Links to Devices.
    pub devices: DevicesLinks,
    /// Records.
    pub store: Store,
    /// Vendor folders.
    pub folders: Arc<LiveFolders>,
}

impl Readiness for LinksReadiness {
    fn remarks(&self) -> Vec<NotReady> {
        let findings = self.folders.findings();
        let what = "vendor folders: the last good state serves on";
        let folders = findings.iter().map(|finding| NotReady { what: what.to_owned(), why: finding.to_string() });
        let moves = self.instances.iter().filter_map(|instance| {
            let why = moving(&self.store, instance).sentence()?;
            Some(NotReady { what: format!("{}: phones are being moved to a new URL", instance.label()), why })
        });
        folders.chain(moves).collect()
    }

    fn missing(&self) -> Vec<NotReady> {
        let mut missing = Vec::new();
        if let Some(why) = self.store.condition().sentence() {
            missing.push(NotReady { what: "database".to_owned(), why });
        }
        let links = self.devices.states();
        for instance in self.instances.iter() {
            let label = instance.label();
            let mut say = |what: &str, why: &str| {
                missing.push(NotReady { what: format!("{label}: {what}"), why: why.to_owned() });
            };
            let sessions = self.sessions.of(instance.id);
            if sessions.is_empty() {
                say("PBX", "no PBX is connected: check the app object's URL, its password and the flag Websocket");
                continue;
            }
            if !sessions.iter().any(|session| session.grants(pbx_admin::API)) {
                say("PBX flags", "no connected app object has the flag Admin");
            }
            if !sessions.iter().any(|session| session.grants(services::API)) {
                say("Devices", "no connected app object has the flag Services");
            } else if self.sessions.services(instance.id, services::DEVICES_API).is_empty() {
                say("Devices", "the PBX announces no Devices service: tick the Devices API in the Apps tab");
            } else {
                for ((_, url), state) in links.iter().filter(|((of, _), _)| *of == instance.id) {
                    if state.up.is_none() {
                        let why = state.error.clone().unwrap_or_else(|| "connecting".to_owned());
                        missing.push(NotReady { what: format!("{label}: Devices at {url}"), why });
                    }
                }
            }
        }
        missing
    }
}
