//! Semantic checks that deserialization cannot perform: values that are invalid alone or in combination. `wrong` is
//! called with the key and a message that explains the fix.

use std::collections::HashSet;

use base64::Engine as _;
use gangway_base::secret::Secret;
use url::Url;

use crate::base::config::{AllowedPeer, Config, InstanceConfig, host_name};

/// Minimum password length; shorter passwords cause a remark.
const SHORT: usize = 10;

/// Message that explains the format of a pin.
const PIN: &str = "write sha256: and then the SHA-256 of the certificate's public key, 44 characters base64 or 64 hex digits; \
                   the error of a refused connection names it";

impl Config {
    pub(super) fn check(&self, wrong: &mut impl FnMut(String, String)) {
        for (section, listen) in [("http", &self.http.listen), ("https", &self.https.listen), ("ops", &self.ops.listen)]
        {
            for address in listen.iter().filter(|address| !is_address(address)) {
                wrong(
                    format!("{section}.listen"),
                    format!("'{address}' is no address: write host:port, e.g. \"0.0.0.0:8080\" or \"[::]:8080\""),
                );
            }
        }
        for address in self.pnp.listen.iter().filter(|address| address.parse::<std::net::SocketAddr>().is_err()) {
            wrong(
                "pnp.listen".to_owned(),
                format!(
                    "'{address}' is no address with port: write \"0.0.0.0:5060\", or the address of the phones' network"
                ),
            );
        }
        if self.http.listen.is_empty() && self.https.listen.is_empty() {
            wrong("http.listen".to_owned(), "neither [http] nor [https] listens anywhere: name an address".to_owned());
        }
        if !self.https.listen.is_empty() {
            let (certificates, keys) = (self.https.certificate.len(), self.https.key.len());
            if certificates == 0 {
                wrong("https.certificate".to_owned(), "is empty: name the PEM file of the certificate".to_owned());
            } else if certificates != keys {
                wrong(
                    "https.key".to_owned(),
                    format!("{certificates} certificates, but {keys} keys: list as many keys, in the same order"),
                );
            }
        }
        let is_name = |name: &str| name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_');
        let header = &self.net.client_address_header;
        if header.is_empty() || !is_name(header) || header.eq_ignore_ascii_case("forwarded") {
            wrong(
                "net.client_address_header".to_owned(),
                format!(
                    "'{header}' is no header with addresses: write X-Forwarded-For or X-Real-IP, whichever the proxies write"
                ),
            );
        }
        let header = &self.net.client_subject_header;
        if !header.is_empty() && !is_name(header) {
            wrong(
                "net.client_subject_header".to_owned(),
                format!("'{header}' is no header's name: write X-SSL-Client-S-DN"),
            );
        } else if !header.is_empty() && self.net.trusted_proxies.is_empty() {
            wrong(
                "net.client_subject_header".to_owned(),
                "nobody is believed without net.trusted_proxies: list the proxy there".to_owned(),
            );
        }
        if self.net.connects_per_second == 0 {
            wrong("net.connects_per_second".to_owned(), "0 would never connect a phone: write at least 1".to_owned());
        }
        self.check_trust(wrong);
        if self.cache.mib == 0 {
            wrong("cache.mib".to_owned(), "0 would render every file anew: write at least 1".to_owned());
        }
        if self.data.dir.as_os_str().is_empty() {
            wrong("data.dir".to_owned(), "is empty: name a directory".to_owned());
        }
        if self.instances.is_empty() {
            wrong(
                "instances".to_owned(),
                "no instance is configured: add [[instances]] with domain, name and password".to_owned(),
            );
        }
        let mut seen = HashSet::new();
        for (index, instance) in self.instances.iter().enumerate() {
            instance.check(index, wrong);
            if !seen.insert(instance.label().to_ascii_lowercase()) {
                wrong(format!("instances[{index}]"), format!("{} is configured twice", instance.label()));
            }
        }
    }

    fn check_trust(&self, wrong: &mut impl FnMut(String, String)) {
        let mut hosts = HashSet::new();
        for (index, peer) in self.net.trust.iter().enumerate() {
            let key = |name: &str| format!("net.trust[{index}].{name}");
            let is_host = matches!(peer.host.parse::<AllowedPeer>(), Ok(AllowedPeer::Host(_)))
                || peer.host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
            if !is_host {
                wrong(key("host"), format!("'{}' is no host: write the name in its URL, without a port", peer.host));
            } else if !hosts.insert(host_name(&peer.host)) {
                wrong(key("host"), format!("{} is listed twice", peer.host));
            }
            if peer.ca.as_os_str().is_empty() && peer.pin.is_empty() {
                wrong(
                    key("ca"),
                    "neither ca nor pin is set: name the PEM file of its CA, or the key in pin".to_owned(),
                );
            }
            if !peer.pin.is_empty() && !is_pin(&peer.pin) {
                wrong(key("pin"), PIN.to_owned());
            }
        }
    }

    /// Remarks that do not prevent startup, each with advice.
    #[must_use]
    pub fn remarks(&self) -> Vec<(String, &'static str)> {
        let passwords: Vec<(&str, &InstanceConfig, &Secret)> = self
            .instances
            .iter()
            .flat_map(|instance| {
                [("password", instance, &instance.password), ("admin_password", instance, &instance.admin_password)]
            })
            .filter(|(_, _, password)| !password.is_empty())
            .collect();
        let mut remarks: Vec<(String, &'static str)> = passwords.iter().copied().filter_map(length).collect();
        for (index, (name, instance, password)) in passwords.iter().enumerate() {
            for (other_name, other, _) in passwords[..index].iter().filter(|(_, _, other)| other == password) {
                let of = |name: &str, instance: &InstanceConfig| format!("{name} of {}", instance.label());
                remarks.push(match std::ptr::eq(*instance, *other) {
                    true => (
                        format!(
                            "{} equals its {other_name}: it keeps no app object out of gangway-admin",
                            of(name, instance)
                        ),
                        "set another one at the app object gangway-admin, or remove the key",
                    ),
                    false => (
                        format!("{} equals the {}: each opens the other", of(name, instance), of(other_name, other)),
                        "give every instance a password of its own",
                    ),
                });
            }
        }
        remarks
    }
}

/// Checks whether a password is too long for a PBX or too short to withstand guessing.
fn length((name, instance, password): (&str, &InstanceConfig, &Secret)) -> Option<(String, &'static str)> {
    match password.expose().chars().count() {
        16.. => Some((
            format!("the {name} of {} is longer than 15 characters: a PBX object cannot hold it", instance.label()),
            "use a shorter one",
        )),
        0..SHORT => Some((
            format!(
                "the {name} of {} has less than {SHORT} characters: everybody who reaches gangway can try some each second",
                instance.label()
            ),
            "use 12 to 15 random characters, here and at the app objects",
        )),
        _ => None,
    }
}

impl InstanceConfig {
    fn check(&self, index: usize, wrong: &mut impl FnMut(String, String)) {
        let key = |name: &str| format!("instances[{index}].{name}");
        for (name, value) in [("domain", &self.domain), ("name", &self.name)] {
            if value.is_empty() {
                wrong(key(name), "is missing".to_owned());
            } else if !value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
                wrong(key(name), format!("'{value}' stands in URLs: only A-Z a-z 0-9 . - _"));
            }
        }
        if self.password.is_empty() {
            wrong(key("password"), "is empty: set the password of the app objects here or in password_file".to_owned());
        }
        for (name, value) in [("public_url", &self.public_url), ("phone_url", &self.phone_url)] {
            if !value.is_empty() && !is_base_url(value) {
                wrong(key(name), format!("'{value}' is no base URL: write https://host[:port][/path]"));
            }
        }
        if !self.devices_url.is_empty() && !is_base_url(&self.devices_url) {
            wrong(
                key("devices_url"),
                format!("'{}' is no address of Devices: write https://host[:port][/domain/instance]", self.devices_url),
            );
        }
        if !self.devices_pin.is_empty() && !is_pin(&self.devices_pin) {
            wrong(key("devices_pin"), PIN.to_owned());
        }
        for origin in self.frame_ancestors.iter().filter(|origin| !is_origin(origin)) {
            wrong(
                key("frame_ancestors"),
                format!("'{origin}' is no origin: write https://host[:port], without a path"),
            );
        }
    }
}

/// Checks whether a text is a public key pin: `sha256:` (or `sha256/`, `sha256//`), then 32 bytes in base64 or hex.
fn is_pin(text: &str) -> bool {
    let Some((name, value)) = text.trim().split_at_checked(6) else { return false };
    let value = value.strip_prefix("//").or_else(|| value.strip_prefix([':', '/']));
    let Some(value) = value.map(str::trim).filter(|_| name.eq_ignore_ascii_case("sha256")) else { return false };
    let hex: String = value.chars().filter(|c| *c != ':').collect();
    let bare = value.trim_end_matches('=');
    hex.len() == 64 && hex.bytes().all(|c| c.is_ascii_hexdigit())
        || base64::engine::general_purpose::STANDARD_NO_PAD
            .decode(bare)
            .or_else(|_| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(bare))
            .is_ok_and(|bytes| bytes.len() == 32)
}

/// Checks whether a text is an origin: scheme, host and port of a page without a path.
fn is_origin(text: &str) -> bool {
    is_base_url(text) && Url::parse(text).is_ok_and(|url| url.path() == "/") && !text.ends_with('/')
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

fn is_base_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}
