//! The vendors' redirect services: the clouds that tell a factory-fresh phone where to go.
//!
//! A protocol is one pure file that turns an [`Operation`] into calls and answers into an [`Outcome`], and one line
//! in [`PROTOCOLS`]. Only [`Redirects`] talks to the network; it keeps the limits, retries, and writes the history.

mod exchange;
mod gigaset_grape;
mod history;
mod masking;
mod memory;
mod operation;
mod outcome;
mod protocols;
mod run;
mod server_name;
mod snom_sraps;
mod snom_sraps_answer;
mod snom_sraps_link;
mod snom_sraps_route;
mod snom_sraps_session;
mod snom_xmlrpc;
mod xmlrpc;
mod xmlrpc_service;
mod yealink_answer;
mod yealink_xmlrpc;
mod yealink_ymcs;
mod yealink_ymcs_answer;
mod yealink_ymcs_server;
mod yealink_ymcs_session;
mod yealink_ymcs_verify;

#[cfg(test)]
mod tests;

pub use self::{
    exchange::{Answer, Call, Command, Exchange, Moment, Seal, Step, Turn},
    history::{HistoryEntry, HistorySink},
    memory::{AccountMemory, Surroundings},
    operation::{Operation, RedirectAccount, ServerEntry},
    outcome::{Confirmation, Done, EntryUsed, Outcome, SerialTrouble, Trouble},
    protocols::{Capabilities, PROTOCOLS, Protocol, protocol},
    run::{Limits, Redirects},
    server_name::{alternative_name, server_name},
};
