//! Provisioning codes, as Devices gives them to whoever may administer it.

use super::{Deps, reply::Problem, text::Text};
use crate::{
    links::devices::DevicesError, phone::instance::InstanceId, secret::Secret, wire::appws::devices::Category,
};

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn failed(error: DevicesError) -> Problem {
    Text::new("devices-failed").with("sentence", error.to_string()).into()
}

/// The categories phones can be provisioned into.
///
/// # Errors
/// When Devices cannot be asked.
pub async fn categories(deps: &Deps, instance: InstanceId) -> Result<Vec<Category>, Problem> {
    if let Some(sentence) = deps.store.restoration().and_then(|restoration| restoration.passive_sentence()) {
        return Err(Text::new("passive").with("sentence", sentence).into());
    }
    deps.devices.categories(instance).await.map_err(failed)
}

/// The category a person chose by id or name, else the phone's own, else the only one there is.
///
/// # Errors
/// When Devices cannot be asked, or a person has to choose.
pub async fn choose(
    deps: &Deps,
    instance: InstanceId,
    chosen: Option<&str>,
    own: Option<&str>,
) -> Result<Category, Problem> {
    pick(categories(deps, instance).await?, chosen, own)
}

/// As [`choose`], among categories that are known already.
///
/// # Errors
/// When a person has to choose, or chose none there is.
pub fn pick(mut all: Vec<Category>, chosen: Option<&str>, own: Option<&str>) -> Result<Category, Problem> {
    let named = |wanted: &str| {
        let by_id = all.iter().find(|category| category.id == wanted);
        by_id.or_else(|| all.iter().find(|category| category.name.eq_ignore_ascii_case(wanted))).cloned()
    };
    if let Some(chosen) = chosen.filter(|chosen| !chosen.is_empty()) {
        return named(chosen).ok_or_else(|| Text::new("unknown-category").into());
    }
    if let Some(found) = own.and_then(named) {
        return Ok(found);
    }
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(Text::new("no-category").into()),
    }
}

/// A new code; the user is told to Devices where it is known.
///
/// # Errors
/// When Devices gives none.
pub async fn fetch(
    deps: &Deps,
    instance: InstanceId,
    category: &Category,
    sip: Option<&str>,
    rollout: bool,
) -> Result<Secret, Problem> {
    deps.devices.code(instance, category, sip, rollout).await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(id: &str, name: &str) -> Category {
        Category { id: id.into(), domain_id: Some(1), name: name.into() }
    }

    #[test]
    fn a_person_chooses_only_where_it_is_not_clear() {
        let two = || vec![category("4", "Desk"), category("5", "Lab")];
        assert_eq!(pick(two(), Some("5"), None).unwrap().name, "Lab");
        assert_eq!(pick(two(), Some("lab"), Some("Desk")).unwrap().id, "5");
        assert_eq!(pick(two(), None, Some("desk")).unwrap().id, "4");
        assert_eq!(pick(two(), None, Some("Gone")).unwrap_err().text.key(), "no-category");
        assert_eq!(pick(two(), Some("9"), None).unwrap_err().text.key(), "unknown-category");
        assert_eq!(pick(vec![category("4", "Desk")], None, None).unwrap().id, "4");
        assert_eq!(pick(Vec::new(), None, None).unwrap_err().text.key(), "no-category");
    }
}
