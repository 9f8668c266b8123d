//! Relates secrets to the address they were set for. The table defines which settings contain that address. When one of
//! them changes, the secret loses its address, and a narrower layer with a different address does not inherit the
//! secret.

use url::Url;

use super::table::{REDIRECT_SETTINGS, Setting, TABLE, ValueKind, setting};

/// The full names of the settings that define where the secret `name` is sent; empty for any other setting.
#[must_use]
pub fn addresses_of(name: &str) -> Vec<String> {
    let Some(setting) = setting(name) else { return Vec::new() };
    let beginning = name.strip_suffix(setting.name).unwrap_or_default();
    setting.addresses.iter().map(|address| format!("{beginning}{address}")).collect()
}

/// Whether two values of an address setting have the same scheme, host and port.
pub(super) fn is_same_place(address: &Setting, one: &str, other: &str) -> bool {
    let place = |url: &str| {
        let url = Url::parse(url).ok()?;
        Some((url.scheme().to_owned(), url.host_str()?.to_ascii_lowercase(), url.port_or_known_default()))
    };
    match (one == other, address.kind) {
        (true, _) => true,
        (false, ValueKind::Url) => place(one).is_some_and(|one| Some(one) == place(other)),
        (false, _) => one.eq_ignore_ascii_case(other),
    }
}

/// Whether a setting contains the address of a secret.
pub(super) fn is_address(name: &str) -> bool {
    let Some(setting) = setting(name) else { return false };
    TABLE.iter().chain(REDIRECT_SETTINGS).any(|secret| secret.addresses.contains(&setting.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_a_setting_of_the_same_scopes() {
        let names = TABLE.iter().map(|setting| (setting.name.to_owned(), setting));
        let redirect = REDIRECT_SETTINGS.iter().map(|setting| (format!("redirect.yealink.{}", setting.name), setting));
        let mut bound = 0;
        for (name, secret) in names.chain(redirect) {
            for address in addresses_of(&name) {
                assert!(secret.secret, "{name}");
                assert_eq!(setting(&address).unwrap().layered, secret.layered, "{address}");
                bound += 1;
            }
        }
        assert_eq!(bound, 5);
    }
}
