//! The PBX's `Services` API: lists the other services and creates logins to them (SDK page "Services").

use std::fmt;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use url::Url;

use super::{
    envelope::{Envelope, Outgoing},
    session_key::{SessionKey, unwrap_service_key},
};
use crate::lenient_json;

/// Name of the sub-protocol.
pub const API: &str = "Services";
/// Id of the Devices service.
pub const DEVICES_API: &str = "com.innovaphone.devices";

/// Requests the list of services and all later changes.
pub fn subscribe(src: &str) -> Outgoing {
    Outgoing::request(Some(API), "SubscribeServices", src)
}

/// Asks the PBX for a login to the service `app` ([`Service::name`]) that answers the service's `challenge`.
pub fn get_service_login(src: &str, app: &str, challenge: &str) -> Outgoing {
    Outgoing::request(Some(API), "GetServiceLogin", src).field("app", app).field("challenge", challenge)
}

/// The list of services. It is always complete.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServicesInfo {
    /// The services that are ticked in the Apps tab of our app object.
    pub services: Vec<Service>,
}

/// One service.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// SIP name of its app object, as GetServiceLogin requires it.
    pub name: String,
    /// Display name.
    pub title: String,
    /// URL as announced.
    pub url: String,
    /// The `info` object it published.
    pub info: Value,
}

impl ServicesInfo {
    /// Parses a ServicesInfo; `None` for any other message. Services without a name are skipped.
    #[must_use]
    pub fn parse(message: &Envelope) -> Option<Self> {
        if message.mt != "ServicesInfo" {
            return None;
        }
        let services = lenient_json::rows(&message.body, "services").iter().filter_map(|row| {
            Some(Service {
                name: lenient_json::text(row, "name")?,
                title: lenient_json::text_or_empty(row, "title"),
                url: lenient_json::text_or_empty(row, "url"),
                info: row.get("info").cloned().unwrap_or(Value::Null),
            })
        });
        Some(Self { services: services.collect() })
    }

    /// The first service that publishes the API `id` and has a usable URL.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.model(id).is_some() && service.websocket().is_some())
    }
}

impl Service {
    /// The data it published for the API `id`, looked up in `info.apis` (as real systems send it), then in `info` (as
    /// documented).
    #[must_use]
    pub fn model(&self, id: &str) -> Option<&Value> {
        self.info.get("apis").and_then(|apis| apis.get(id)).or_else(|| self.info.get(id))
    }

    /// Its AppWebsocket URL: scheme `ws` or `wss`, the last component (the app) removed, ending with `/`.
    #[must_use]
    pub fn websocket(&self) -> Option<Url> {
        websocket_base(&self.url)
    }

    /// The forms of its AppWebsocket address, in the order in which they are tried. Software of the vendor connects to the
    /// instance with and without `/` at the end; some services accept the address of the app only.
    #[must_use]
    pub fn addresses(&self) -> Vec<Url> {
        let Some(base) = self.websocket() else { return Vec::new() };
        let mut bare = base.clone();
        bare.set_path(base.path().trim_end_matches('/'));
        let mut app = base.clone();
        if let Ok(announced) = Url::parse(self.url.trim()) {
            app.set_path(announced.path());
        }
        let mut forms = vec![base];
        for form in [bare, app] {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        forms
    }

    /// Its sysclient URL: the same plus `sysclients`.
    #[must_use]
    pub fn sysclients(&self) -> Option<Url> {
        self.websocket()?.join("sysclients").ok()
    }
}

/// Converts an app URL as configured in a PBX into the websocket base URL of the service: `http` becomes `ws`, `https`
/// becomes `wss`, and everything after the last `/` of the path and the query are removed. `None` for other schemes and
/// invalid URLs.
#[must_use]
pub fn websocket_base(url: &str) -> Option<Url> {
    let mut url = Url::parse(url.trim()).ok()?;
    let scheme = match url.scheme() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        _ => return None,
    };
    if !url.has_host() {
        return None;
    }
    url.set_scheme(scheme).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path();
    let base = path.get(..=path.rfind('/')?)?.to_owned();
    url.set_path(&base);
    Some(url)
}

/// A login to another service, created by the PBX.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct GetServiceLoginResult {
    /// PBX domain.
    pub domain: String,
    /// SIP name of our app object.
    pub sip: String,
    /// GUID of our app object.
    pub guid: String,
    /// Display name of our app object.
    pub dn: String,
    /// Object that grants access.
    pub pbx_obj: Option<String>,
    /// HTML name of the remote app (not its SIP name).
    pub app: String,
    /// The `info` object, byte for byte as received.
    pub info_raw: Option<String>,
    /// The digest to forward.
    pub digest: String,
    /// Seed that `key` is encrypted with.
    pub salt: String,
    /// The session key of the socket to the other service, encrypted with the session key of the PBX connection.
    pub key: String,
}

#[derive(Deserialize)]
struct WithInfo<'a> {
    #[serde(borrow, default)]
    info: Option<&'a RawValue>,
}

impl GetServiceLoginResult {
    /// Parses the result; `None` for any other message.
    ///
    /// # Errors
    /// The PBX's `error` as a message. Also fails if the digest is missing.
    #[must_use]
    pub fn parse(message: &Envelope) -> Option<Result<Self, String>> {
        if message.mt != "GetServiceLoginResult" {
            return None;
        }
        if let Some(error) = message.error() {
            return Some(Err(error));
        }
        let body = &message.body;
        let digest = lenient_json::text_or_empty(body, "digest");
        if digest.is_empty() {
            return Some(Err("the PBX's answer holds no digest".to_owned()));
        }
        let info = serde_json::from_str::<WithInfo<'_>>(&message.raw).ok().and_then(|with| with.info);
        Some(Ok(Self {
            domain: lenient_json::text_or_empty(body, "domain"),
            sip: lenient_json::text_or_empty(body, "sip"),
            guid: lenient_json::text_or_empty(body, "guid"),
            dn: lenient_json::text_or_empty(body, "dn"),
            pbx_obj: lenient_json::text(body, "pbxObj"),
            app: lenient_json::text_or_empty(body, "app"),
            info_raw: info.map(|info| info.get().to_owned()),
            digest,
            salt: lenient_json::text_or_empty(body, "salt"),
            key: lenient_json::text_or_empty(body, "key"),
        }))
    }

    /// The session key of the socket on which this login is used.
    #[must_use]
    pub fn session_key(&self, pbx: &SessionKey) -> SessionKey {
        unwrap_service_key(&self.salt, &self.key, pbx)
    }
}

impl fmt::Debug for GetServiceLoginResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetServiceLoginResult").field("app", &self.app).field("sip", &self.sip).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::appws::login::Login;

    #[test]
    fn addresses_are_converted() {
        for (given, base) in [
            (
                "https://ap.example.com/example.com/devices/innovaphone-devices",
                "wss://ap.example.com/example.com/devices/",
            ),
            ("http://10.0.0.1:8080/d/i/app.htm?x=1#y", "ws://10.0.0.1:8080/d/i/"),
            ("wss://ap/d/i/", "wss://ap/d/i/"),
            ("ws://ap", "ws://ap/"),
        ] {
            let service = Service { name: "n".into(), title: String::new(), url: given.into(), info: Value::Null };
            assert_eq!(service.websocket().unwrap().as_str(), base, "{given}");
            assert_eq!(service.sysclients().unwrap().as_str(), format!("{base}sysclients"));
        }
        for bad in ["", "ftp://x/y", "/relative/x", "mailto:a@b"] {
            assert_eq!(websocket_base(bad), None, "{bad}");
        }
    }

    #[test]
    fn services_are_found_in_both_nestings() {
        for info in [r#"{"apis":{"com.innovaphone.devices":{}}}"#, r#"{"com.innovaphone.devices":{}}"#] {
            let text = format!(
                r#"{{"mt":"ServicesInfo","api":"Services","src":"1","services":[{{"title":"nameless"}},{{"name":"x","info":{info}}},{{"name":"devices-api","title":"D","url":"https://ap/d/i/x","info":{info}}}]}}"#
            );
            let list = ServicesInfo::parse(&Envelope::parse(&text, 9_999).unwrap()).unwrap();
            assert_eq!(list.services.len(), 2);
            assert_eq!(list.find(DEVICES_API).unwrap().name, "devices-api");
            assert!(list.find("com.example.other").is_none());
        }
    }

    #[test]
    fn a_login_is_forwarded_unchanged() {
        let info = r#"{"appobj":"gw","x":"a\/b<&>"}"#;
        let text = format!(
            r#"{{"mt":"GetServiceLoginResult","api":"Services","src":"2","domain":"d","sip":"gw","guid":"0a","dn":"GW","pbxObj":"devices-api","app":"innovaphone-devices-api","info":{info},"digest":"ab","salt":"s","key":"k"}}"#
        );
        let login = GetServiceLoginResult::parse(&Envelope::parse(&text, 9_999).unwrap()).unwrap().unwrap();
        assert_eq!(
            Login::forward(&login).to_message(),
            format!(
                r#"{{"mt":"AppLogin","app":"innovaphone-devices-api","domain":"d","sip":"gw","guid":"0a","dn":"GW","info":{info},"digest":"ab","pbxObj":"devices-api"}}"#
            )
        );
        for bad in [r#"{"mt":"GetServiceLoginResult","error":"no"}"#, r#"{"mt":"GetServiceLoginResult"}"#] {
            assert!(GetServiceLoginResult::parse(&Envelope::parse(bad, 999).unwrap()).unwrap().is_err());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn any_address_is_judged_without_panic(url: String, path in "(ws|https)://[a-z.]{1,9}[/a-z%?#]{0,20}") {
            let _ = websocket_base(&url);
            if let Some(base) = websocket_base(&path) {
                prop_assert!(base.path().ends_with('/'));
            }
        }
    }
}
