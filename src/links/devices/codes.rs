//! Questions people have for Devices: which categories there are, and a new code for a phone.

use std::sync::PoisonError;

use jiff::Timestamp;

use super::DevicesLinks;
use crate::{
    links::link::{Link, LinkError},
    phone::instance::InstanceId,
    secret::Secret,
    wire::appws::devices::{Category, DevicesMessage, get_provisioning_categories, get_provisioning_code},
};

/// Why Devices gave no answer of use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DevicesError {
    /// No link is up.
    #[error("there is no connection to Devices: the notices tell since when and why")]
    Away,
    /// It refused, or the answer did not come.
    #[error("Devices did not answer as hoped: {0}")]
    Link(#[from] LinkError),
    /// It answered with something else.
    #[error("Devices answered with something else than what was asked for")]
    Unreadable,
}

/// Whether and since when a Devices app is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicesStatus {
    /// The service's address.
    pub url: String,
    /// Since when the link is up.
    pub up: Option<Timestamp>,
    /// Why it is down.
    pub error: Option<String>,
    /// How many devices it has told of.
    pub devices: usize,
}

impl DevicesLinks {
    /// Every Devices app of an instance, by address. Unlike [`Self::states`] it copies no lists.
    #[must_use]
    pub fn status(&self, instance: InstanceId) -> Vec<DevicesStatus> {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = (states.iter().filter(|((of, _), _)| *of == instance))
            .map(|((_, url), state)| DevicesStatus {
                url: url.clone(),
                up: state.up,
                error: state.error.clone(),
                devices: state.devices.len(),
            })
            .collect();
        all.sort_by(|a, b| a.url.cmp(&b.url));
        all
    }

    fn link(&self, instance: InstanceId) -> Result<Link, DevicesError> {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        let mut up: Vec<_> = states.iter().filter(|((of, _), state)| *of == instance && state.up.is_some()).collect();
        up.sort_by_key(|((_, url), _)| url);
        up.into_iter().find_map(|(_, state)| state.link.clone()).ok_or(DevicesError::Away)
    }

    /// The categories phones can be provisioned into.
    ///
    /// # Errors
    /// [`DevicesError`].
    pub async fn categories(&self, instance: InstanceId) -> Result<Vec<Category>, DevicesError> {
        let link = self.link(instance)?;
        let answers =
            link.request_list("GetProvisioningCategories", |src| get_provisioning_categories(src, None)).await?;
        let mut all = Vec::new();
        for answer in &answers {
            match DevicesMessage::parse(answer) {
                Some(DevicesMessage::Categories { categories, .. }) => all.extend(categories),
                _ => return Err(DevicesError::Unreadable),
            }
        }
        Ok(all)
    }

    /// A new provisioning code: 15 minutes valid, 7 days with `rollout`. `sip` is the user it is for.
    ///
    /// # Errors
    /// [`DevicesError`].
    pub async fn code(
        &self,
        instance: InstanceId,
        category: &Category,
        sip: Option<&str>,
        rollout: bool,
    ) -> Result<Secret, DevicesError> {
        let link = self.link(instance)?;
        let ask = |src: &str| get_provisioning_code(src, category.domain_id, &category.id, sip, rollout);
        match DevicesMessage::parse(&link.request("GetProvisioningCode", ask).await?) {
            Some(DevicesMessage::ProvisioningCode { code, .. }) => Ok(code),
            _ => Err(DevicesError::Unreadable),
        }
    }
}
