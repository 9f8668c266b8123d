//! How a phone finds the gateway when no redirect service sends it: DHCP, SIP PnP, or a URL typed by hand.

use serde::{Deserialize, Serialize};

/// The place of the gateway's URL in the texts below.
pub const PLACE: &str = "{url}";

/// `[arrival]` of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryMethods {
    /// DHCP options its phones read, the usual one first.
    #[serde(default)]
    pub dhcp: Vec<DhcpOption>,
    /// Whether its phones ask by SIP PnP (multicast SUBSCRIBE for `ua-profile`).
    #[serde(default)]
    pub pnp: bool,
    /// Where a person types the URL; holds [`PLACE`].
    #[serde(default)]
    pub manual: String,
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DhcpOption {
    /// Its number.
    pub option: u8,
    /// Its exact text; holds [`PLACE`].
    pub text: String,
    /// What the phones send as option 60, to give the text to them alone.
    #[serde(default)]
    pub vendor_class: String,
    /// For people.
    #[serde(default)]
    pub note: String,
}

impl DiscoveryMethods {
    /// What is wrong with the texts: where, and why.
    #[must_use]
    pub fn faults(&self) -> Vec<(String, String)> {
        let texts = self.dhcp.iter().map(|one| &one.text).chain(Some(&self.manual).filter(|text| !text.is_empty()));
        let mut faults: Vec<_> = texts
            .filter_map(|text| {
                let rest = text.replace(PLACE, "");
                let reason = if rest == *text {
                    format!("'{text}' has no place {PLACE} for the URL")
                } else if rest.contains(['{', '}']) {
                    format!("'{text}' has another place than {PLACE}")
                } else {
                    return None;
                };
                Some((text.clone(), reason))
            })
            .collect();
        // A DHCP option is at most 255 octets long; those the URL needs are not known here.
        let long = self.dhcp.iter().filter(|one| one.text.len() > 200);
        faults.extend(long.map(|one| (one.text.clone(), format!("the text of option {} is too long", one.option))));
        faults
    }

    /// The same with the gateway's URL in its place.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        let mut filled = self.clone();
        for one in &mut filled.dhcp {
            one.text = one.text.replace(PLACE, url);
        }
        filled.manual = filled.manual.replace(PLACE, url);
        filled
    }

    /// Line by line, for people; `url` in its place.
    #[must_use]
    pub fn to_text(&self, url: &str) -> String {
        let mut text = String::new();
        for DhcpOption { option, text: value, vendor_class, note } in self.at(url).dhcp {
            text.push_str(&format!("  DHCP option {option:<4} {value}\n"));
            if !vendor_class.is_empty() {
                text.push_str(&format!("  {:<17}for clients with option 60 = {vendor_class}\n", ""));
            }
            if !note.is_empty() {
                text.push_str(&format!("  {:<17}{note}\n", ""));
            }
        }
        if self.pnp {
            text.push_str("  SIP PnP          its phones ask by multicast when they start without a server\n");
        }
        if !self.manual.is_empty() {
            text.push_str(&format!("  by hand          {}\n", self.at(url).manual));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(text: &str) -> DiscoveryMethods {
        let option = DhcpOption { option: 66, text: text.to_owned(), vendor_class: String::new(), note: String::new() };
        DiscoveryMethods { dhcp: vec![option], pnp: false, manual: String::new() }
    }

    #[test]
    fn the_url_takes_its_place_and_no_other_place_is_left() {
        assert_eq!(arrival("{url}$mac.cfg").at("https://gw/phone/").dhcp[0].text, "https://gw/phone/$mac.cfg");
        assert!(arrival("{url}").faults().is_empty());
        assert!(arrival("https://gw/").faults()[0].1.contains("no place {url}"));
        assert!(arrival("{url}{mac}").faults()[0].1.contains("another place"));
        assert!(arrival(&format!("{{url}}{}", "x".repeat(250))).faults()[0].1.contains("too long"));
    }
}
