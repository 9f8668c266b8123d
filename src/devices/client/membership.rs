//! Which domain and category of Devices each device belongs to.
//!
//! A device names its domain. No document lets it name its category, so the devices of each category are requested one
//! category after the other. A Devices app that ignores this filter is recognised by its answer for a category that does
//! not exist; nothing is learned from it.

use std::collections::{BTreeMap, HashMap, HashSet};

use gangway_wire::appws::devices::{Category, Device, DevicesMessage, get_devices_of_category};

use super::{DevicesState, codes};
use crate::net::appwebsocket::{Link, LinkError};

/// The id of no category.
const NO_CATEGORY: &str = "0";

/// Where a device belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The device's hardware ID, in lower case.
    pub hw_id: String,
    /// The sysclient URL of its Devices app.
    pub sysclients: String,
    /// The name of its domain; `None` if it is in no domain.
    pub domain: Option<String>,
    /// The name of its category, if known.
    pub category: Option<String>,
}

impl DevicesState {
    /// Where the devices made by other vendors belong.
    pub(super) fn memberships(&self) -> Vec<Membership> {
        self.devices.values().filter_map(|device| self.membership(device)).collect()
    }

    /// Where a device belongs. Only those of other vendors can be phones of ours.
    pub(super) fn membership(&self, device: &Device) -> Option<Membership> {
        let hw_id = device.hw_id.to_ascii_lowercase();
        Some(Membership {
            sysclients: self.sysclients.clone().filter(|_| device.other)?,
            domain: device.domain_id.and_then(|id| self.domains.get(&id)).map(|domain| domain.name.clone()),
            category: self.categories.get(&hw_id).cloned(),
            hw_id,
        })
    }
}

/// Requests the categories of the devices in these domains: name of the category by hardware ID. A domain whose
/// categories cannot be read is left out.
///
/// # Errors
/// When the link is closed or does not answer.
pub(super) async fn categories(link: &Link, domains: &[u64]) -> Result<HashMap<String, String>, LinkError> {
    let mut all = HashMap::new();
    for domain in domains {
        match of_domain(link, *domain).await {
            Ok(found) => all.extend(found),
            Err(LinkError::Refused(error)) => {
                tracing::debug!(domain, error, "Devices does not tell the devices of a category");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

async fn of_domain(link: &Link, domain: u64) -> Result<HashMap<String, String>, LinkError> {
    let categories = match codes::of_domain(link, Some(domain)).await {
        Ok(categories) => categories,
        Err(codes::DevicesError::Link(error)) => return Err(error),
        Err(error) => return Err(LinkError::Refused(error.to_string())),
    };
    let usable: Vec<&Category> = categories.iter().filter(|category| category.config).collect();
    if usable.is_empty() || !devices(link, domain, NO_CATEGORY).await?.is_empty() {
        return Ok(HashMap::new());
    }
    // The reference of a category is its id, as that of a domain is. Where the ids find nothing, names may.
    let mut found = BTreeMap::new();
    for reference in [|category: &Category| category.id.clone(), |category: &Category| category.name.clone()] {
        for category in &usable {
            found.insert(category.name.clone(), devices(link, domain, &reference(category)).await?);
        }
        if found.values().any(|devices| !devices.is_empty()) {
            break;
        }
    }
    Ok(unambiguous(found))
}

async fn devices(link: &Link, domain: u64, category: &str) -> Result<HashSet<String>, LinkError> {
    let answers = link.request_list("GetDevices", |src| get_devices_of_category(src, domain, category)).await?;
    let mut found = HashSet::new();
    for answer in &answers {
        if let Some(DevicesMessage::Devices { devices, .. }) = DevicesMessage::parse(answer) {
            found.extend(devices.into_iter().map(|device| device.hw_id.to_ascii_lowercase()));
        }
    }
    Ok(found)
}

/// The category of each device that is in exactly one.
fn unambiguous(categories: BTreeMap<String, HashSet<String>>) -> HashMap<String, String> {
    let mut of_device: HashMap<String, Option<String>> = HashMap::new();
    for (category, devices) in categories {
        for device in devices {
            of_device.entry(device).and_modify(|known| *known = None).or_insert_with(|| Some(category.clone()));
        }
    }
    of_device.into_iter().filter_map(|(device, category)| Some((device, category?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_of_two_categories_has_none() {
        let set = |devices: &[&str]| devices.iter().map(|device| (*device).to_owned()).collect::<HashSet<_>>();
        let found = unambiguous(BTreeMap::from([
            ("Desk".to_owned(), set(&["a", "b"])),
            ("Lab".to_owned(), set(&["b", "c"])),
            ("Empty".to_owned(), set(&[])),
        ]));
        assert_eq!(found, HashMap::from([("a".into(), "Desk".into()), ("c".into(), "Lab".into())]));
    }
}
