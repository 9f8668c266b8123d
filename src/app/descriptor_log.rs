//! Logs the use of file descriptors.

use crate::net::descriptors::{CURE, DescriptorShares};

/// Logs how file descriptors are allocated, and whether there are enough.
pub(super) fn log_shares(shares: &DescriptorShares, phones: usize) {
    let (need, DescriptorShares { limit, sysclients, clients, operators, .. }) = (shares.need(phones), shares);
    tracing::info!(limit, need, sysclients, clients, operators, phones, "file descriptors are shared out");
    if let Some(lack) = shares.lack(phones) {
        tracing::warn!("{}: {CURE}", lack.message());
    }
}
