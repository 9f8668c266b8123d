//! The socket of a PBX's app object. After the login, PbxInfo lists the APIs that its flags grant. Then the app object
//! answers the gateway's requests and sends AppInfo.

use std::sync::Arc;

use gangway_wire::appws::{
    Envelope, Identity,
    app_info::AppInfo,
    pbx_info::PbxInfo,
    services::{API as SERVICES, ServicesInfo},
};
use url::Url;

use super::{AppWebsocketContext, services};
use crate::{
    base::telemetry::metric::{Metric, increment},
    net::appwebsocket::Link,
    pbx::{
        app_objects,
        sessions::{PbxSession, SessionIdentity},
    },
    phone::instance::Instance,
};

/// The gateway's side of the socket.
pub struct PbxSocket {
    identity: Identity,
    /// The provider of this app object, or `None` for the admin app.
    provider: Option<String>,
    link: Link,
    instance: Arc<Instance>,
    /// PbxInfo has been received, so the session is active.
    entered: bool,
}

impl PbxSocket {
    /// Creates the session of a PBX that has just logged in.
    #[must_use]
    pub fn new(identity: Identity, provider: Option<String>, link: Link, instance: Arc<Instance>) -> Self {
        Self { identity, provider, link, instance, entered: false }
    }

    /// Ends the session when its socket closes.
    pub fn leave(&self, apis: &AppWebsocketContext) {
        if let (Some(provider), Some(url), true) = (&self.provider, self.base(), self.entered) {
            apis.provisioning.app_url_removed(self.instance.id, provider.clone(), url);
        }
        apis.sessions.leave(self.link.id());
        tracing::info!(instance = %self.instance.label(), app = %self.identity.app, "app object disconnected");
    }

    /// Handles a message that is not an answer to a request of the gateway. Returns the text of the answer.
    pub fn message(&mut self, message: &Envelope, apis: &AppWebsocketContext) -> Option<String> {
        if AppInfo::parse(message).is_some() {
            return Some(app_objects::info(message, &self.identity.app, &self.instance, &apis.registry.load()));
        }
        if let Some(info) = PbxInfo::parse(message) {
            self.enter(info, apis);
        } else if let Some(info) = ServicesInfo::parse(message) {
            services::announced(&self.link, &self.instance, info, apis);
        } else {
            increment(Metric::MessagesIgnored, &[("reason", "unknown")]);
        }
        None
    }

    fn enter(&mut self, info: PbxInfo, apis: &AppWebsocketContext) {
        let facts = self.identity.info.as_ref();
        let pbx = facts.and_then(|facts| facts.pbx.clone()).unwrap_or_else(|| info.pbx.clone());
        let session = PbxSession {
            identity: SessionIdentity {
                instance: self.instance.id,
                domain: info.domain,
                pbx,
                app: self.identity.app.clone(),
                appobj: self.identity.appobj().unwrap_or_default().to_owned(),
            },
            dns: info.pbx_dns,
            version: info.version,
            apis: info.apis,
            link: self.link.clone(),
            key: self.identity.key.clone(),
            since: apis.clock.now(),
        };
        tracing::info!(instance = %self.instance.label(), pbx = %session.identity.pbx, app = %session.identity.app, grants = %session.apis.join(" "), "app object connected");
        if let Some(provider) = &self.provider {
            for (api, flag) in [("PbxAdminApi", "Admin"), (SERVICES, "Services")] {
                if !session.grants(api) {
                    tracing::warn!(instance = %self.instance.label(), app = %session.identity.app, "the app object lacks the flag {flag}: tick it in the PBX Manager");
                }
            }
            if let (Some(base), false) = (self.base(), self.entered) {
                apis.provisioning.app_url(self.instance.id, provider.clone(), base);
            }
        }
        self.remember_grants(&session, apis);
        let subscribes = session.grants(SERVICES);
        apis.sessions.enter(Arc::new(session));
        self.entered = true;
        if subscribes {
            services::subscribe(self.link.clone(), &self.instance, apis);
        }
    }
}

impl PbxSocket {
    /// Returns the gateway's public base URL as configured in this app object.
    fn base(&self) -> Option<Url> {
        self.identity.info.as_ref().and_then(|facts| facts.appurl.as_deref()).and_then(base_of)
    }

    /// Stores the grants, so that `gangway check` can report missing ones while no gateway is running.
    fn remember_grants(&self, session: &PbxSession, apis: &AppWebsocketContext) {
        let (store, id) = (apis.store.clone(), self.instance.id);
        let (app, grants) = (session.identity.app.clone(), session.apis.join(" "));
        apis.tasks.spawn_local("remember-grants", async move {
            if let Err(error) = store.learned().set_grants(id, &app, &grants).await {
                tracing::error!(%error, "the grants of an app object could not be stored");
            }
        });
    }
}

/// Returns an app's URL without its last component and without a trailing slash: the gateway's public base URL as seen
/// by this PBX.
fn base_of(appurl: &str) -> Option<Url> {
    let mut url = Url::parse(appurl.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().to_owned();
    url.set_path(&path[..path.rfind('/')?]);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_is_the_app_url_without_the_app() {
        for (appurl, base) in [
            (
                "https://gw.example.com/example.com/gangway/gangway-yealink",
                Some("https://gw.example.com/example.com/gangway"),
            ),
            (
                "http://10.0.0.1:8080/example.com/gangway/gangway-yealink.htm?x=1",
                Some("http://10.0.0.1:8080/example.com/gangway"),
            ),
            ("ftp://gw.example.com/a/b", None),
            ("nonsense", None),
        ] {
            assert_eq!(base_of(appurl).as_ref().map(Url::as_str), base, "{appurl}");
        }
    }
}
