//! The vendors' redirect services: the clouds that direct a factory-fresh phone to its provisioning server.
//!
//! A protocol is one pure file that turns an [`Operation`] into calls and answers into an [`Outcome`], and one line
//! in [`protocols`]. Only [`Redirects`] talks to the network; it keeps the limits, retries, and writes the history.

mod account_cache;
mod client;
mod history;
mod operation;
mod protocol;
mod protocols;
mod redact;
mod result;
mod server_name;

#[cfg(test)]
mod tests;

pub use self::{
    account_cache::{AccountCache, ProtocolContext},
    client::{Limits, Redirects},
    history::{ExchangeRecord, HistorySink},
    operation::{Operation, RedirectAccount, ServerEntry},
    protocol::{
        CallKind, NextCall, ProtocolTurn, RedirectProtocol, SendContext, ServiceRequest, ServiceResponse, SignRequest,
    },
    protocols::{Protocol, protocol, protocols},
    result::{Confirmation, Done, EntryUsed, RedirectFailure, RedirectResult, SerialTrouble},
    server_name::{alternative_name, server_name},
};
