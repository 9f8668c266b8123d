//! Provisioning codes from Devices, and the category of each code.

use gangway_base::secret::Secret;
use gangway_wire::appws::devices::Category;

use super::{ServiceDependencies, error::ServiceError};
use crate::phone::instance::InstanceId;

/// Returns the categories in Devices that are suitable for phones, including those not used for provisioning.
///
/// # Errors
/// If Devices cannot be asked.
pub async fn categories(deps: &ServiceDependencies, instance: InstanceId) -> Result<Vec<Category>, ServiceError> {
    deps.require_active()?;
    Ok(deps.devices.categories(instance).await?)
}

/// Returns the category that an administrator chose by id or name, or else the phone's own, or else the only one.
///
/// # Errors
/// If Devices cannot be asked, or the category must be chosen.
pub async fn choose(
    deps: &ServiceDependencies,
    instance: InstanceId,
    chosen: Option<&str>,
    own: Option<&str>,
) -> Result<Category, ServiceError> {
    pick(&categories(deps, instance).await?, chosen, own)
}

/// Like [`choose`], for categories that have already been read.
///
/// # Errors
/// If the category must be chosen, or the chosen one cannot be used.
pub fn pick(all: &[Category], chosen: Option<&str>, own: Option<&str>) -> Result<Category, ServiceError> {
    if let Some(chosen) = chosen.filter(|chosen| !chosen.is_empty()) {
        return named(all, chosen);
    }
    if let Some(Ok(found)) = own.map(|own| named(all, own)) {
        return Ok(found);
    }
    let mut usable = all.iter().filter(|category| category.config);
    match (usable.next(), usable.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => Err(ServiceError::NoCategory),
    }
}

/// Returns the category with this id, or else with this name. Two domains may have a category with the same name; then
/// only an id is unambiguous.
fn named(all: &[Category], wanted: &str) -> Result<Category, ServiceError> {
    let not_config = |category: &Category| Err(ServiceError::CategoryNotConfig(category.name.clone()));
    if let Some(found) = all.iter().find(|category| category.id == wanted) {
        return match found.config {
            true => Ok(found.clone()),
            false => not_config(found),
        };
    }
    let of_name: Vec<&Category> = all.iter().filter(|category| category.name.eq_ignore_ascii_case(wanted)).collect();
    let usable: Vec<&Category> = of_name.iter().copied().filter(|category| category.config).collect();
    let exact: Vec<&Category> = usable.iter().copied().filter(|category| category.name == wanted).collect();
    match (exact.as_slice(), usable.as_slice(), of_name.first()) {
        ([one], _, _) | ([], [one], _) => Ok((*one).clone()),
        (_, [first, ..], _) => {
            let ids: Vec<&str> = usable.iter().map(|category| category.id.as_str()).collect();
            Err(ServiceError::CategoryAmbiguous { category: first.name.clone(), ids: ids.join(", ") })
        }
        (_, [], Some(other)) => not_config(other),
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
    category: &Category,
    sip: Option<&str>,
    rollout: bool,
) -> Result<Secret, ServiceError> {
    Ok(deps.devices.code(instance, category, sip, rollout).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::i18n::Message;

    fn category(id: &str, domain: u64, name: &str, config: bool) -> Category {
        Category { id: id.into(), domain_id: Some(domain), name: name.into(), config }
    }

    fn refusal(all: &[Category], chosen: Option<&str>, own: Option<&str>) -> Message {
        pick(all, chosen, own).unwrap_err().message()
    }

    #[test]
    fn an_administrator_chooses_only_where_it_is_not_clear() {
        let two = [category("4", 1, "Desk", true), category("5", 1, "Lab", true)];
        assert_eq!(pick(&two, Some("5"), None).unwrap().name, "Lab");
        assert_eq!(pick(&two, Some("lab"), Some("Desk")).unwrap().id, "5");
        assert_eq!(pick(&two, None, Some("desk")).unwrap().id, "4");
        assert_eq!(refusal(&two, None, Some("Gone")).key(), "no-category");
        assert_eq!(refusal(&two, Some("9"), None).key(), "unknown-category");
        assert_eq!(pick(&two[..1], None, None).unwrap().id, "4");
        assert_eq!(refusal(&[], None, None).key(), "no-category");
    }

    #[test]
    fn a_category_of_update_jobs_is_never_taken() {
        let all = [category("1", 1, "Desk", true), category("2", 1, "Nightly", false)];
        assert_eq!(pick(&all, None, None).unwrap().id, "1", "the only one that counts");
        assert_eq!(pick(&all, None, Some("Nightly")).unwrap().id, "1");
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
        assert_eq!(pick(&all, Some("7"), None).unwrap().domain_id, Some(2));
        assert_eq!(pick(&all, Some("DESK"), None).unwrap().id, "8", "the same letters come first");
        assert_eq!(refusal(&all, None, Some("Desk")).key(), "no-category");
    }
}
