//! The names a vendor's phones have for zones. A name carries the phone's own idea of offset and daylight saving time,
//! which depends on its firmware. So a name is used only where every firmware must be right: the zone's law has been the
//! same since 2008, before any firmware that is served here was written, and the offset the phone lists the name under is
//! the zone's.

use std::collections::BTreeMap;

use super::dst_rule;

/// What a vendor's phones call a zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZoneName {
    /// As the present firmware spells it.
    pub name: String,
    /// As older firmware spells it; often the same.
    pub old_name: String,
}

/// Names by IANA zone: those that are right.
pub type ZoneNames = BTreeMap<String, ZoneName>;

/// Why a name listed under this offset (minutes east of UTC) must not be used for the zone; `None` = it may.
#[must_use]
pub fn why_not(iana: &str, listed: i32) -> Option<String> {
    let Some(zone) = super::iana(iana) else { return Some(format!("{iana} is no IANA zone")) };
    let Some(rule) = dst_rule::steady(&zone) else {
        return Some("its law has changed since 2008; old firmware keeps an old one".to_owned());
    };
    let shown = |minutes: i32| {
        format!("{}{}:{:02}", if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60)
    };
    (rule.offset != listed)
        .then(|| format!("the phone lists it under {}, the zone is at {}", shown(listed), shown(rule.offset)))
}
