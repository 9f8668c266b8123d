//! The socket of a PBX's app object: after login comes PbxInfo, which tells what its flags grant; then it answers our
//! questions and asks AppInfo.

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

/// The fact that holds what an app object was granted when it connected last.
#[must_use]
pub fn grants_fact(app: &str) -> String {
    format!("grants.{app}")
}

/// Our end of it.
pub struct PbxSocket {
    identity: Identity,
    /// The provider whose app object this is; `None` for the admin app.
    provider: Option<String>,
    link: Link,
    instance: Arc<Instance>,
    /// PbxInfo came: the session counts.
    entered: bool,
}

impl PbxSocket {
    /// A PBX that has just logged in.
    #[must_use]
    pub fn new(identity: Identity, provider: Option<String>, link: Link, instance: Arc<Instance>) -> Self {
        Self { identity, provider, link, instance, entered: false }
    }

    /// The socket ended.
    pub fn leave(&self, apis: &AppWebsocketContext) {
        if let (Some(provider), Some(url), true) = (&self.provider, self.base(), self.entered) {
            apis.provisioning.app_url_removed(self.instance.id, provider.clone(), url);
        }
        apis.sessions.leave(self.link.id());
        tracing::info!(instance = %self.instance.label(), app = %self.identity.app, "app object disconnected");
    }

    /// A message that is no answer to a question of ours; the text is the answer to it.
    pub fn message(&mut self, message: &Envelope, apis: &AppWebsocketContext) -> Option<String> {
        if AppInfo::parse(message).is_some() {
            return Some(app_objects::info(message, &self.identity.app, &apis.registry.load()));
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
    /// Our public base as this app object names it.
    fn base(&self) -> Option<Url> {
        self.identity.info.as_ref().and_then(|facts| facts.appurl.as_deref()).and_then(base_of)
    }

    /// So that `gangway check` can tell what is missing while no gateway is running.
    fn remember_grants(&self, session: &PbxSession, apis: &AppWebsocketContext) {
        let (store, id) = (apis.store.clone(), self.instance.id);
        let (key, grants) = (grants_fact(&session.identity.app), session.apis.join(" "));
        apis.tasks.spawn_local("remember-grants", async move {
            if let Err(error) = store.set_fact(id, &key, Some(&grants)).await {
                tracing::error!(%error, "the grants of an app object could not be stored");
            }
        });
    }
}

/// The URL of an app without its last component: our public base as this PBX sees it, without a trailing slash.
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
