//! Provisioning codes from Devices, and the category of each code.

use super::{ServiceDependencies, error::ServiceError};
use crate::{
    devices::client::{DevicesCategory, DevicesCode},
    phone::{instance::InstanceId, record::Phone},
    provision::{CodeFacts, FetchedCode},
    settings::PhoneCategory,
};

/// Returns the categories in Devices that are suitable for phones, including those not used for provisioning.
///
/// # Errors
/// If Devices cannot be asked.
pub async fn categories(
    deps: &ServiceDependencies,
    instance: InstanceId,
) -> Result<Vec<DevicesCategory>, ServiceError> {
    deps.require_active()?;
    Ok(deps.devices.categories(instance).await?)
}

/// Returns the category that an administrator chose by id, name or `DOMAIN/NAME`, or else the phone's own, or else the
/// only one.
///
/// # Errors
/// If Devices cannot be asked, or the category must be chosen.
pub async fn choose(
    deps: &ServiceDependencies,
    instance: InstanceId,
    chosen: Option<&str>,
    own: Option<&str>,
) -> Result<DevicesCategory, ServiceError> {
    pick(&categories(deps, instance).await?, chosen, own)
}

/// Like [`choose`], for categories that have already been read.
///
/// # Errors
/// If the category must be chosen, or the chosen one cannot be used.
pub fn pick(all: &[DevicesCategory], chosen: Option<&str>, own: Option<&str>) -> Result<DevicesCategory, ServiceError> {
    if let Some(chosen) = chosen.filter(|chosen| !chosen.is_empty()) {
        return named(all, chosen);
    }
    if let Some(Ok(found)) = own.map(|own| named(all, own)) {
        return Ok(found);
    }
    let mut usable = all.iter().filter(|found| found.category.config);
    match (usable.next(), usable.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => Err(ServiceError::NoCategory),
    }
}

/// How an administrator writes this category: `DOMAIN/NAME`, or its name where the domain is not known.
#[must_use]
pub fn qualified(found: &DevicesCategory) -> String {
    let name = &found.category.name;
    found.domain.as_ref().map_or_else(|| name.clone(), |domain| format!("{domain}/{name}"))
}

/// The category of a phone as an administrator writes it.
#[must_use]
pub fn category_of(phone: &Phone) -> Option<String> {
    PhoneCategory::of(phone).map(|category| category.to_string())
}

/// Returns the category with this id, or else with this name. Two domains may have a category with the same name, and
/// two Devices apps one with the same id; then only `DOMAIN/NAME` is unambiguous.
fn named(all: &[DevicesCategory], wanted: &str) -> Result<DevicesCategory, ServiceError> {
    let alike = |found: &&DevicesCategory| {
        qualified(found).eq_ignore_ascii_case(wanted) || found.category.name.eq_ignore_ascii_case(wanted)
    };
    let exact = |found: &&DevicesCategory| qualified(found) == wanted || found.category.name == wanted;
    let by_id: Vec<&DevicesCategory> = all.iter().filter(|found| found.category.id == wanted).collect();
    let found = if by_id.is_empty() { all.iter().filter(alike).collect() } else { by_id.clone() };
    let usable: Vec<&DevicesCategory> = found.iter().copied().filter(|found| found.category.config).collect();
    let same: Vec<&DevicesCategory> = usable.iter().copied().filter(exact).collect();
    match (same.as_slice(), usable.as_slice(), found.first()) {
        ([one], _, _) | ([], [one], _) => Ok((*one).clone()),
        (_, [first, ..], _) => {
            // The id tells categories of one Devices app apart.
            let is_of_several = usable.iter().any(|other| other.service != first.service);
            let choices =
                usable.iter().map(|found| if is_of_several { qualified(found) } else { found.category.id.clone() });
            let choices: Vec<String> = choices.collect();
            Err(ServiceError::CategoryAmbiguous { category: first.category.name.clone(), ids: choices.join(", ") })
        }
        (_, [], Some(other)) => Err(ServiceError::CategoryNotConfig(other.category.name.clone())),
        (_, [], None) => Err(ServiceError::UnknownCategory),
    }
}

/// Fetches a new code. The user is passed to Devices if it is known.
///
/// # Errors
/// If Devices returns none.
pub async fn fetch(
    deps: &ServiceDependencies,
    instance: InstanceId,
    category: &DevicesCategory,
    sip: Option<&str>,
    rollout: bool,
) -> Result<FetchedCode, ServiceError> {
    let DevicesCode { code, valid_until } = deps.devices.code(instance, category, sip, rollout).await?;
    let facts = CodeFacts {
        made_at: category.sysclients.clone(),
        valid_until,
        domain: category.domain.clone(),
        category: category.category.name.clone(),
    };
    Ok(FetchedCode { code, facts })
}

#[cfg(test)]
mod tests {
    use gangway_wire::appws::devices::Category;

    use super::*;
    use crate::base::i18n::Message;

    fn category(id: &str, domain: u64, name: &str, config: bool) -> DevicesCategory {
        of("https://a/devices/api", id, domain, name, config)
    }

    fn of(service: &str, id: &str, domain: u64, name: &str, config: bool) -> DevicesCategory {
        DevicesCategory {
            service: service.into(),
            sysclients: None,
            domain: Some(format!("d{domain}.example")),
            category: Category { id: id.into(), domain_id: Some(domain), name: name.into(), config },
        }
    }

    fn refusal(all: &[DevicesCategory], chosen: Option<&str>, own: Option<&str>) -> Message {
        pick(all, chosen, own).unwrap_err().message()
    }

    #[test]
    fn an_administrator_chooses_only_where_it_is_not_clear() {
        let two = [category("4", 1, "Desk", true), category("5", 1, "Lab", true)];
        assert_eq!(pick(&two, Some("5"), None).unwrap().category.name, "Lab");
        assert_eq!(pick(&two, Some("lab"), Some("Desk")).unwrap().category.id, "5");
        assert_eq!(pick(&two, None, Some("desk")).unwrap().category.id, "4");
        assert_eq!(refusal(&two, None, Some("Gone")).key(), "no-category");
        assert_eq!(refusal(&two, Some("9"), None).key(), "unknown-category");
        assert_eq!(pick(&two[..1], None, None).unwrap().category.id, "4");
        assert_eq!(refusal(&[], None, None).key(), "no-category");
    }

    #[test]
    fn a_category_of_update_jobs_is_never_taken() {
        let all = [category("1", 1, "Desk", true), category("2", 1, "Nightly", false)];
        assert_eq!(pick(&all, None, None).unwrap().category.id, "1", "the only one that counts");
        assert_eq!(pick(&all, None, Some("Nightly")).unwrap().category.id, "1");
        for chosen in ["2", "Nightly", "nightly"] {
            let text = refusal(&all, Some(chosen), None);
            assert_eq!(text.key(), "category-not-config");
            assert!(text.english().contains("Nightly"), "{}", text.english());
        }
        assert_eq!(refusal(&all[1..], None, None).key(), "no-category");
    }

    #[test]
    fn a_name_that_two_domains_have_needs_an_id() {
        let all = [
            category("1", 1, "Desk", true),
            category("7", 2, "Desk", true),
            category("8", 2, "DESK", true),
            category("9", 3, "desk", false),
        ];
        let text = refusal(&all, Some("Desk"), None);
        assert_eq!(text.key(), "category-ambiguous");
        assert!(text.english().contains("1, 7, 8"), "{}", text.english());
        assert_eq!(pick(&all, Some("7"), None).unwrap().category.domain_id, Some(2));
        assert_eq!(pick(&all, Some("DESK"), None).unwrap().category.id, "8", "the same letters come first");
        assert_eq!(refusal(&all, None, Some("Desk")).key(), "no-category");
    }
    #[test]
    fn equal_names_and_ids_of_two_devices_apps_are_told_apart_by_the_domain() {
        let (a, b) = ("https://a/devices/api", "https://b/devices/api");
        let all = [of(a, "1", 1, "Desk", true), of(b, "1", 2, "Desk", true), of(b, "2", 2, "Nightly", false)];
        for ambiguous in ["1", "Desk"] {
            let text = refusal(&all, Some(ambiguous), None);
            assert_eq!(text.key(), "category-ambiguous");
            assert!(text.english().contains("d1.example/Desk, d2.example/Desk"), "{}", text.english());
        }
        assert_eq!(pick(&all, Some("d2.example/Desk"), None).unwrap().service, b);
        assert_eq!(pick(&all, None, Some("d1.example/Desk")).unwrap().service, a);
        assert_eq!(refusal(&all, Some("d2.example/Nightly"), None).key(), "category-not-config");
        assert_eq!(refusal(&all, Some("d3.example/Desk"), None).key(), "unknown-category");
    }
}
