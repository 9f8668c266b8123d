//! Gigaset's GRAPE: the interface of Snom's SRAPS under another address, with another name for the setting that sends a
//! phone somewhere. Its section is not documented, so the name alone decides.

use url::Url;

use super::snom_sraps::{Dialect, start_as};
use crate::redirect::{
    account_cache::ProtocolContext,
    operation::{Operation, RedirectAccount},
    protocol::RedirectProtocol,
};

const GIGASET: Dialect = Dialect { setting: "ProvisioningServer", section: None };

/// Begins an operation.
pub(crate) fn start(
    operation: &Operation,
    account: &RedirectAccount,
    url: Url,
    surroundings: &ProtocolContext,
) -> Box<dyn RedirectProtocol> {
    start_as(GIGASET, operation, account, url, surroundings)
}
