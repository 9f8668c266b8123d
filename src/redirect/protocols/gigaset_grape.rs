//! Gigaset's GRAPE: the interface of Snom's SRAPS at another address, with another name for the setting that redirects
//! a phone. The section of that setting is not documented, so it is found by its name alone.

use url::Url;

use super::snom_sraps::{Dialect, start_as};
use crate::redirect::{
    account_cache::ProtocolContext,
    operation::{Operation, RedirectAccount},
    protocol::RedirectProtocol,
};

const GIGASET: Dialect = Dialect { setting: "ProvisioningServer", section: None };

/// Starts an operation.
pub(crate) fn start(
    operation: &Operation,
    account: &RedirectAccount,
    url: Url,
    context: &ProtocolContext,
) -> Box<dyn RedirectProtocol> {
    start_as(GIGASET, operation, account, url, context)
}
