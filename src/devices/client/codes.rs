//! Requests that administrators make to Devices: listing the categories and creating a provisioning code for a phone.

use std::{collections::BTreeMap, sync::PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};
use gangway_base::secret::Secret;
use gangway_wire::appws::devices::{Category, DevicesMessage, get_provisioning_categories, get_provisioning_code};
use jiff::Timestamp;

use super::DevicesLinks;
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

/// A category of one of the Devices apps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicesCategory {
    /// The URL of the Devices service.
    pub service: String,
    /// The sysclient URL of this Devices app.
    pub sysclients: Option<String>,
    /// The name of the category's domain, if known.
    pub domain: Option<String>,
    /// The category.
    pub category: Category,
}

/// A provisioning code that Devices made.
#[derive(Debug, Clone)]
pub struct DevicesCode {
    /// The code.
    pub code: Secret,
    /// When it expires, if Devices told.
    pub valid_until: Option<Timestamp>,
}

/// A Devices app whose link is up.
struct OpenLink {
    service: String,
    sysclients: Option<String>,
    link: Link,
    /// The names of its domains by id.
    domains: BTreeMap<u64, String>,
}

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

    /// The Devices apps of an instance whose links are up, sorted by URL.
    fn open_links(&self, instance: InstanceId) -> Result<Vec<OpenLink>, DevicesError> {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        let mut open: Vec<OpenLink> = states
            .iter()
            .filter(|((of, _), state)| *of == instance && state.up.is_some())
            .filter_map(|((_, service), state)| {
                Some(OpenLink {
                    service: service.clone(),
                    sysclients: state.sysclients.clone(),
                    link: state.link.clone()?,
                    domains: state.domains.iter().map(|(id, domain)| (*id, domain.name.clone())).collect(),
                })
            })
            .collect();
        open.sort_by(|a, b| a.service.cmp(&b.service));
        if open.is_empty() { Err(DevicesError::Away) } else { Ok(open) }
    }

    /// The categories suitable for phones, of every domain of every Devices app that the login administers. Categories
    /// without [`Category::config`] are included, so that a rejection can name the reason. A Devices app that does not
    /// answer is left out as long as another one does.
    ///
    /// # Errors
    /// [`DevicesError`].
    pub async fn categories(&self, instance: InstanceId) -> Result<Vec<DevicesCategory>, DevicesError> {
        let (mut all, mut failure) = (Vec::new(), None);
        let mut has_answer = false;
        for open in self.open_links(instance)? {
            match of_link(&open).await {
                Ok(found) => {
                    has_answer = true;
                    all.extend(found);
                }
                Err(error) => {
                    tracing::warn!(service = open.service, %error, "a Devices app tells no categories");
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(error) if !has_answer => Err(error),
            _ => Ok(all),
        }
    }

    /// Requests a provisioning code for a category. It is valid for 15 minutes, with `rollout` for 7 days. `sip` is the
    /// user it is for. Devices identifies the category by its name within its domain.
    ///
    /// # Errors
    /// [`DevicesError`].
    pub async fn code(
        &self,
        instance: InstanceId,
        category: &DevicesCategory,
        sip: Option<&str>,
        rollout: bool,
    ) -> Result<DevicesCode, DevicesError> {
        let open = self.open_links(instance)?.into_iter().find(|open| open.service == category.service);
        let link = open.ok_or(DevicesError::Away)?.link;
        let Category { domain_id, name, .. } = &category.category;
        let ask = |src: &str| get_provisioning_code(src, *domain_id, name, sip, rollout);
        match DevicesMessage::parse(&link.request("GetProvisioningCode", ask).await?) {
            Some(DevicesMessage::ProvisioningCode { code, valid_until }) => {
                let valid_until = valid_until.and_then(|seconds| i64::try_from(seconds).ok());
                Ok(DevicesCode { code, valid_until: valid_until.and_then(|at| Timestamp::from_second(at).ok()) })
            }
            _ => Err(DevicesError::Unreadable),
        }
    }
}

/// The categories of one Devices app.
async fn of_link(open: &OpenLink) -> Result<Vec<DevicesCategory>, DevicesError> {
    // Without a domain, Devices returns the categories of the login's own domain only.
    let queries: Vec<Option<u64>> = match open.domains.len() {
        0 | 1 => vec![None],
        _ => open.domains.keys().copied().map(Some).collect(),
    };
    let several = queries.len() > 1;
    let answers: Vec<Vec<Category>> = stream::iter(queries)
        .map(|domain| async move {
            match of_domain(&open.link, domain).await {
                // One domain that the login may not administer does not hide the categories of the others.
                Err(DevicesError::Link(LinkError::Refused(error))) if several => {
                    tracing::info!(domain, error, "Devices tells no categories of a domain");
                    Ok(Vec::new())
                }
                answer => answer,
            }
        })
        .buffered(DOMAINS_AT_ONCE)
        .try_collect()
        .await?;
    let only = open.domains.values().next().filter(|_| open.domains.len() == 1);
    let named = |category: Category| DevicesCategory {
        service: open.service.clone(),
        sysclients: open.sysclients.clone(),
        domain: category.domain_id.and_then(|id| open.domains.get(&id)).or(only).cloned(),
        category,
    };
    Ok(answers.into_iter().flatten().map(named).collect())
}

/// The categories of one domain; `None` is the domain of the login.
pub(super) async fn of_domain(link: &Link, domain: Option<u64>) -> Result<Vec<Category>, DevicesError> {
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
