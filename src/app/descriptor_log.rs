//! What the log tells of file descriptors.

use crate::net::descriptors::{CURE, DescriptorShares};

/// Tells how the file descriptors are shared out, and whether they are enough.
pub(super) fn log_shares(shares: &DescriptorShares, phones: usize) {
    let (need, DescriptorShares { limit, sysclients, clients, operators, .. }) = (shares.need(phones), shares);
    tracing::info!(limit, need, sysclients, clients, operators, phones, "file descriptors are shared out");
    if let Some(lack) = shares.lack(phones) {
        tracing::warn!("{}: {CURE}", lack.message());
    }
}
