//! The zone names of a vendor's phones. A phone derives offset and daylight saving time from the name, and the result
//! depends on its firmware. A name is therefore used only if all firmware versions must be right: the zone's law has
//! not changed since 2008, before any supported firmware was released, and the offset under which the phone lists the
//! name is the offset of the zone.

use std::collections::BTreeMap;

use super::dst_rule;

/// A vendor's name of a zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZoneName {
    /// Spelling in the current firmware.
    pub name: String,
    /// Spelling in older firmware; often identical.
    pub old_name: String,
}

/// Correct names by IANA zone.
pub type ZoneNames = BTreeMap<String, ZoneName>;

/// Why a name listed under this offset (minutes east of UTC) must not be used for the zone; `None` if it may be used.
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
