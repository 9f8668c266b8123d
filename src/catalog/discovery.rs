//! How a phone finds gangway without a redirect service: DHCP, SIP PnP, or a URL entered by hand.

use serde::{Deserialize, Serialize};

/// The placeholder for gangway's URL in the texts below.
pub const PLACE: &str = "{url}";

/// `[arrival]` of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryMethods {
    /// DHCP options that its phones evaluate, the usual one first.
    #[serde(default)]
    pub dhcp: Vec<DhcpOption>,
    /// Whether its phones use SIP PnP (multicast SUBSCRIBE for `ua-profile`).
    #[serde(default)]
    pub pnp: bool,
    /// Where an administrator enters the URL; contains [`PLACE`].
    #[serde(default)]
    pub manual: String,
}

/// A DHCP option.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DhcpOption {
    /// The option number.
    pub option: u8,
    /// The exact value of the option; contains [`PLACE`].
    pub text: String,
    /// The value that the phones send as option 60, so that only they receive this option.
    #[serde(default)]
    pub vendor_class: String,
    /// A note for administrators.
    #[serde(default)]
    pub note: String,
}

impl DiscoveryMethods {
    /// Errors in the texts: the text and the reason.
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
        // A DHCP option has at most 255 octets. The length of the URL is not known here.
        let long = self.dhcp.iter().filter(|one| one.text.len() > 200);
        faults.extend(long.map(|one| (one.text.clone(), format!("the text of option {} is too long", one.option))));
        faults
    }

    /// A copy with gangway's URL inserted.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        let mut filled = self.clone();
        for one in &mut filled.dhcp {
            one.text = one.text.replace(PLACE, url);
        }
        filled.manual = filled.manual.replace(PLACE, url);
        filled
    }

    /// The methods as text, one per line, with `url` inserted.
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
