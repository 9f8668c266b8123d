//! The results of the sysclient connection.

use std::{collections::BTreeMap, time::Duration};

use gangway_base::secret::Secret;
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::later;
use crate::{
    devices::{client::Membership, sysclients::SysclientIdentity},
    phone::{
        facet::DevicesState,
        record::{CodeOrigin, Gone, Phone},
    },
    provision::{
        events::FacetEvent,
        flow::has_untried,
        timeline_texts::{CODE_REFUSED, FORGOTTEN, NO_CREDENTIAL, NO_DESCRIPTOR, NO_DEVICES},
    },
    store::NewEvent,
};

/// Interval at which an unreachable endpoint is probed.
const PROBE: Duration = Duration::from_secs(10);
/// Limit of different items per phone; Devices knows seven.
const MOST_ITEMS: usize = 64;
/// Limit of the items of one phone as text, in bytes; real ones have some kilobytes.
const ITEMS_BYTES: usize = 64 * 1024;

/// The sysclient is being opened. While a code is tried, the URL of an existing password is kept.
pub fn connecting(phone: &mut Phone, identity: &SysclientIdentity, url: &str, has_code: bool, now: Timestamp) {
    identity.product.clone_into(&mut phone.sysclient.product);
    identity.version.clone_into(&mut phone.sysclient.version);
    identity.name.as_deref().unwrap_or_default().clone_into(&mut phone.sysclient.name);
    let keeps_url = has_code && phone.sysclient.password.is_some() && phone.sysclient.url.is_some();
    if !keeps_url && phone.sysclient.url.as_deref() != Some(url) {
        phone.sysclient.url = Some(url.to_owned());
    }
    if phone.device_config.received.is_none() && phone.devices.error.is_none() {
        phone.devices.reach(DevicesState::Connecting, now);
    }
}

/// The websocket is up.
pub fn connected(phone: &mut Phone, now: Timestamp) {
    if phone.devices.state == DevicesState::Waiting {
        phone.devices.reach(DevicesState::Connecting, now);
    }
}

/// The Devices app at `url` sent a password. `sent`, the code that the connection identified with, is spent.
pub fn password(
    phone: &mut Phone,
    password: Secret,
    url: &str,
    sent: Option<&Secret>,
    now: Timestamp,
    events: &mut Vec<NewEvent>,
) {
    phone.sysclient.password = Some(password);
    if phone.sysclient.url.as_deref() != Some(url) {
        phone.sysclient.url = Some(url.to_owned());
        // Domain and category are those of the other Devices app.
        phone.devices_domain = None;
        phone.category.take_if(|_| phone.code_origin.made_at.is_none());
    }
    spend(phone, sent);
    if phone.devices.state != DevicesState::Received {
        phone.devices.reach(DevicesState::Connecting, now);
    }
    events.push(FacetEvent::Joined.into());
}

/// Marks a code as spent, because Devices has reacted to it. A different code that arrived since stays.
fn spend(phone: &mut Phone, sent: Option<&Secret>) {
    let Some(sent) = sent else { return };
    phone.code.take_if(|code| code == sent);
    phone.sysclient.spent.add(sent.clone());
    if phone.code.is_none() {
        phone.code_origin = CodeOrigin::default();
    }
}

/// Devices told where the phone belongs. Another Devices app than the phone's own may have an old entry of it. A domain or
/// category that is not told is kept.
pub fn member(phone: &mut Phone, membership: &Membership, events: &mut Vec<NewEvent>) {
    let is_other = |url: &String| phone.sysclient.password.is_some() && *url != membership.sysclients;
    if phone.removed_at.is_some() || phone.sysclient.url.as_ref().is_some_and(is_other) {
        return;
    }
    let before = (phone.devices_domain.clone(), phone.category.clone());
    for (told, known) in [(&membership.domain, &mut phone.devices_domain), (&membership.category, &mut phone.category)]
    {
        if told.is_some() {
            known.clone_from(told);
        }
    }
    if before != (phone.devices_domain.clone(), phone.category.clone())
        && let Some(domain) = &phone.devices_domain
    {
        events.push(FacetEvent::Member { domain, category: phone.category.as_deref() }.into());
    }
}

/// Adds an item, or replaces the one of its kind. Returns false if the phone would exceed the limits.
pub fn add_item(items: &mut BTreeMap<String, Value>, kind: String, item: Value) -> bool {
    let size = |kind: &str, item: &Value| kind.len() + item.to_string().len();
    let others = items.iter().filter(|(of, _)| **of != kind);
    let (count, bytes) = others.fold((0, 0), |(count, bytes), (of, other)| (count + 1, bytes + size(of, other)));
    let fits = count < MOST_ITEMS && bytes + size(&kind, &item) <= ITEMS_BYTES;
    if fits {
        items.insert(kind, item);
    }
    fits
}

/// A complete burst: it replaces the existing items. `opened_with` is the code that its connection began with.
pub fn burst(
    phone: &mut Phone,
    items: BTreeMap<String, Value>,
    opened_with: Option<&Secret>,
    now: Timestamp,
    events: &mut Vec<NewEvent>,
) {
    if phone.device_config.received.is_none() {
        events.push(FacetEvent::ConfigReceived.into());
    } else if phone.device_config.items != items {
        events.push(FacetEvent::ConfigChanged.into());
    }
    phone.device_config.items = items.into();
    phone.device_config.received.get_or_insert(now);
    // The password that brought the configuration works, so a code kept beside it is not needed. A code that arrived
    // after the connection began may lead to another domain or category, so it gets its own connection.
    if phone.sysclient.password.is_some() {
        phone.code.take_if(|code| Some(&*code) == opened_with);
        if phone.code.is_none() {
            phone.code_origin = CodeOrigin::default();
        }
    }
    phone.devices.reach(DevicesState::Received, now);
    // Devices knows the phone again, because an administrator added it.
    for account in &mut phone.accounts {
        if account.orphaned.is_some_and(|orphaned| orphaned.gone == Gone::Device) {
            account.found();
        }
    }
}

/// Single items after the burst.
pub fn items_changed(phone: &mut Phone, items: BTreeMap<String, Value>, events: &mut Vec<NewEvent>) {
    let before = phone.device_config.items.clone();
    for (kind, item) in items {
        if !add_item(&mut phone.device_config.items, kind, item) {
            tracing::warn!(mac = %phone.mac, "Devices sends more configuration for this phone than is kept");
        }
    }
    if phone.device_config.items != before {
        events.push(FacetEvent::ConfigChanged.into());
    }
}

/// The Devices app at `url` sent nothing in time after the phone identified itself. `sent` is the code that the sysclient
/// identified with, `others` are all Devices apps of the phone. As long as one is left that may have made the code, the
/// phone is not rejected.
pub fn silence(
    phone: &mut Phone,
    sent: Option<&Secret>,
    url: &Url,
    others: &[Url],
    now: Timestamp,
    events: &mut Vec<NewEvent>,
) {
    if sent.is_some() && phone.code.as_ref() == sent && others.len() > 1 {
        let refused = &mut phone.code_origin.refused_at;
        if !refused.iter().any(|known| known == url.as_str()) {
            refused.push(url.to_string());
        }
        if has_untried(&phone.code_origin, others.iter()) {
            return;
        }
    }
    spend(phone, sent);
    if phone.code.is_some() {
        // A new code arrived in the meantime; it gets its own attempt.
        return;
    }
    let sentence = if sent.is_some() { CODE_REFUSED.english() } else { FORGOTTEN.english() };
    if phone.devices.state != DevicesState::NotInDomain {
        events.push(FacetEvent::NotInDomain { sentence }.into());
    }
    phone.devices.fail(DevicesState::NotInDomain, sentence, None, now);
}

/// The socket is closed; the pool reopens it automatically.
pub fn closed(phone: &mut Phone, reason: &str, now: Timestamp) {
    down(phone, &format!("The connection to Devices was closed ({reason}); it is opened again."), now);
}

/// Devices cannot be reached.
pub fn away(phone: &mut Phone, reason: &str, now: Timestamp, events: &mut Vec<NewEvent>) {
    let away = FacetEvent::DevicesAway { reason };
    if down(phone, &away.message().line(), now) {
        events.push(away.into());
    }
}

/// The limit of open sockets is reached: the phone's socket waits.
pub fn no_descriptor(phone: &mut Phone, now: Timestamp) {
    down(phone, NO_DESCRIPTOR.english(), now);
}

/// No Devices URL is known.
pub fn no_devices(phone: &mut Phone, now: Timestamp) {
    down(phone, NO_DEVICES.english(), now);
}

/// There is neither a password nor a code.
pub fn no_credential(phone: &mut Phone, now: Timestamp) {
    phone.devices.fail(DevicesState::NotInDomain, NO_CREDENTIAL.english(), None, now);
}

/// Returns whether the status is new. A status that needs an administrator is kept.
fn down(phone: &mut Phone, sentence: &str, now: Timestamp) -> bool {
    let state = match phone.devices.state {
        DevicesState::NotInDomain => return false,
        _ if phone.device_config.received.is_some() => DevicesState::Lost,
        _ => DevicesState::Waiting,
    };
    if phone.devices.state == state && phone.devices.error.as_deref() == Some(sentence) {
        return false;
    }
    let news = phone.devices.error.is_none();
    phone.devices.fail(state, sentence, Some(later(now, PROBE)), now);
    news
}

/// The device was removed in Devices: it is out of the domain until it is provisioned again.
pub fn device_removed(phone: &mut Phone, now: Timestamp, events: &mut Vec<NewEvent>) {
    if phone.devices.state != DevicesState::NotInDomain {
        events.push(FacetEvent::NotInDomain { sentence: FORGOTTEN.english() }.into());
    }
    phone.devices.fail(DevicesState::NotInDomain, FORGOTTEN.english(), None, now);
    for account in &mut phone.accounts {
        account.orphan(Gone::Device, now);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn configuration_without_end_is_not_kept() {
        let mut phone = Phone::sample();
        let mut events = Vec::new();
        for number in 0..1_000 {
            let items = BTreeMap::from([(format!("KIND{number}"), json!({ "type": "x", "value": "x".repeat(500) }))]);
            items_changed(&mut phone, items, &mut events);
        }
        let kept = &phone.device_config.items;
        assert!(kept.len() <= MOST_ITEMS && !kept.is_empty());
        let mut items = BTreeMap::new();
        assert!(add_item(&mut items, "NTP".into(), json!("x".repeat(60_000))));
        assert!(!add_item(&mut items, "PHONE".into(), json!("x".repeat(6_000))));
        assert!(add_item(&mut items, "NTP".into(), json!("short")), "one of its kind is replaced");
        assert!(add_item(&mut items, "PHONE".into(), json!("x".repeat(6_000))));
    }
}
