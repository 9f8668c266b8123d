//! Requests that administrators make to Devices: listing the categories and creating a provisioning code for a phone.

use std::{collections::BTreeMap, sync::PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};
use gangway_base::secret::Secret;
use gangway_wire::appws::devices::{Category, DevicesMessage, get_provisioning_categories, get_provisioning_code};
use jiff::Timestamp;

use super::{DevicesLinks, DevicesState};
use crate::{
    net::appwebsocket::{Link, LinkError},
    phone::instance::InstanceId,
};

/// Why Devices gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DevicesError {
    /// No link to Devices is up.
    #[error("there is no connection to Devices: the notices tell since when and why")]
    Away,
    /// Devices refused the request or did not answer.
    #[error("Devices did not answer as hoped: {0}")]
    Link(#[from] LinkError),
    /// Devices answered with an unexpected message.
    #[error("Devices answered with something else than what was asked for")]
    Unreadable,
}

/// Domains whose categories are requested at the same time.
const DOMAINS_AT_ONCE: usize = 8;

/// The status of the link to a Devices app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicesStatus {
    /// The URL of the service.
    pub url: String,
    /// When the link came up.
    pub up: Option<Timestamp>,
    /// Why the link is down.
    pub error: Option<String>,
    /// Number of devices it has listed.
    pub devices: usize,
}

impl DevicesLinks {
    /// The status of every Devices app of an instance, sorted by URL. Unlike [`Self::states`], it copies no lists.
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

    /// The link to the Devices app that an instance uses, and the names of its domains by id.
    fn link_and_domains(&self, instance: InstanceId) -> Result<(Link, BTreeMap<u64, String>), DevicesError> {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        let mut up: Vec<_> = states.iter().filter(|((of, _), state)| *of == instance && state.up.is_some()).collect();
        up.sort_by_key(|((_, url), _)| url);
        let name = |state: &DevicesState| state.domains.iter().map(|(id, domain)| (*id, domain.name.clone())).collect();
        let found = up.into_iter().find_map(|(_, state)| Some((state.link.clone()?, name(state))));
        found.ok_or(DevicesError::Away)
    }

    /// The names of the domains of Devices by id; empty while no link is up.
    #[must_use]
    pub fn domain_names(&self, instance: InstanceId) -> BTreeMap<u64, String> {
        self.link_and_domains(instance).map(|(_, names)| names).unwrap_or_default()
    }

    /// The categories suitable for phones, of every domain that the login administers. Categories without
    /// [`Category::config`] are included, so that a rejection can name the reason.
    ///
    /// # Errors
    /// [`DevicesError`].
    pub async fn categories(&self, instance: InstanceId) -> Result<Vec<Category>, DevicesError> {
        let (link, domains) = self.link_and_domains(instance)?;
        // Without a domain, Devices returns the categories of the login's own domain only.
        let queries: Vec<Option<u64>> = match domains.len() {
            0 | 1 => vec![None],
            _ => domains.into_keys().map(Some).collect(),
        };
        let several = queries.len() > 1;
        let answers: Vec<Vec<Category>> = stream::iter(queries)
            .map(|domain| {
                let link = link.clone();
                async move {
                    match of_domain(&link, domain).await {
                        // One domain that the login may not administer does not hide the categories of the others.
                        Err(DevicesError::Link(LinkError::Refused(error))) if several => {
                            tracing::info!(domain, error, "Devices tells no categories of a domain");
                            Ok(Vec::new())
                        }
                        answer => answer,
                    }
                }
            })
            .buffered(DOMAINS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(answers.into_iter().flatten().collect())
    }

    /// Requests a provisioning code for a category. It is valid for 15 minutes, with `rollout` for 7 days. `sip` is the
    /// user it is for. Devices identifies the category by its name within its domain.
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
        let (link, _) = self.link_and_domains(instance)?;
        let ask = |src: &str| get_provisioning_code(src, category.domain_id, &category.name, sip, rollout);
        match DevicesMessage::parse(&link.request("GetProvisioningCode", ask).await?) {
            Some(DevicesMessage::ProvisioningCode { code, .. }) => Ok(code),
            _ => Err(DevicesError::Unreadable),
        }
    }
}

/// The categories of one domain; `None` is the domain of the login.
async fn of_domain(link: &Link, domain: Option<u64>) -> Result<Vec<Category>, DevicesError> {
    let answers =
        link.request_list("GetProvisioningCategories", |src| get_provisioning_categories(src, domain)).await?;
    let mut all = Vec::new();
    for answer in &answers {
        match DevicesMessage::parse(answer) {
            Some(DevicesMessage::Categories { categories, .. }) => all.extend(categories),
            _ => return Err(DevicesError::Unreadable),
        }
    }
    for category in &mut all {
        category.domain_id = category.domain_id.or(domain);
    }
    Ok(all)
}
