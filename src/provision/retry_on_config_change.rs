//! Retries rejected phones after an administrator has corrected the cause. The account that phones were tried with is
//! stored, so that a correction is noticed even if it was made while the gateway was down or stopping.

use std::{collections::HashMap, sync::Arc};

use data_encoding::HEXLOWER;
use gangway_base::secret::Secret;
use sha2::{Digest as _, Sha256};

use super::engine::Engine;
use crate::{
    base::failpoint::{Failpoint, failpoint},
    phone::{facet::RedirectState, instance::InstanceId, record::Phone},
    redirect::RedirectAccount,
};

/// The hash of an account; empty without an account.
pub(super) fn fingerprint(account: Option<&RedirectAccount>) -> Secret {
    let Some(account) = account else { return Secret::default() };
    let RedirectAccount { instance: _, vendor: _, protocol, url, user, password, server_name, mac_only } = account;
    let name = server_name.as_deref().unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [protocol.as_str(), url, user, password.expose(), name, if *mac_only { "mac only" } else { "" }] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    Secret::new(HEXLOWER.encode(&hash.finalize()))
}

impl Engine {
    /// Whether this is still the account of its vendor. A rejection of a former account says nothing about the present
    /// one.
    pub(super) fn is_current_account(&self, instance: InstanceId, vendor: &str, used: &Secret) -> bool {
        let present = self.deps.account(instance, vendor).map(|facts| facts.account);
        fingerprint(present.as_ref()) == *used
    }

    /// Retries phones that were rejected with another redirect account or another serial number than the current one.
    /// Phones that belong to another owner are not retried, because neither affects that.
    pub(super) fn retry_refused(self: &Arc<Self>, instance: InstanceId) {
        let mut changed = HashMap::new();
        for (vendor, _) in self.deps.providers.vendors() {
            let account = self.deps.account(instance, &vendor).map(|facts| facts.account);
            let present = fingerprint(account.as_ref());
            let tried = self.deps.store.learned().tried_account(instance, &vendor).unwrap_or_default();
            if tried != present {
                changed.insert(vendor, present);
            }
        }
        let mut refused = self.deps.store.phones().in_instance(instance);
        refused.retain(|phone| phone.redirect.state == RedirectState::Refused);
        // Always check the serial number, because the check also stores it.
        refused.retain(|phone| self.serial_is_new(phone) || changed.contains_key(&phone.vendor));
        if refused.is_empty() && changed.is_empty() {
            return;
        }
        let engine = Arc::clone(self);
        self.tasks.spawn("retry refused", async move {
            let (store, now) = (&engine.deps.store, engine.deps.now());
            failpoint(Failpoint::RetryWanted).await;
            for phone in refused {
                let again = |phone: &mut Phone, _: &mut Vec<_>| {
                    if phone.redirect.state == RedirectState::Refused {
                        phone.redirect.reach(RedirectState::Pending, now);
                    }
                };
                if let Err(error) = store.phones().change(phone.id, again).await {
                    tracing::error!(mac = %phone.mac, "cannot be tried again: {error}");
                }
                failpoint(Failpoint::RetryWritten).await;
            }
            failpoint(Failpoint::RetriesWritten).await;
            for (vendor, present) in changed {
                if let Err(error) = store.learned().set_tried_account(instance, &vendor, &present).await {
                    tracing::error!(vendor, "with which account phones were tried cannot be stored: {error}");
                }
            }
        });
    }
}
