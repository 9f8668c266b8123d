//! Ends the freeze of a source for an administrator.

use std::net::IpAddr;

use gangway_wire::appws::Envelope;
use serde::Deserialize;

use super::{
    ServiceDependencies, audit,
    response::{MessageResult, one, read, result},
    text::Text,
};
use crate::service::caller::Caller;

#[derive(Deserialize)]
struct UnfreezeRequest {
    address: String,
}

/// Answers `Thaw`: whether a source with this address was frozen.
///
/// # Errors
/// If the address is invalid, or the audit cannot be written.
pub async fn thaw(deps: &ServiceDependencies, person: &Caller, message: &Envelope) -> MessageResult {
    let wish: UnfreezeRequest = read(message)?;
    let Ok(address) = wish.address.trim().parse::<IpAddr>() else {
        let address: String = wish.address.chars().take(60).collect();
        return Err(Text::new("bad-address").with("address", address).into());
    };
    let address = address.to_canonical();
    audit::entry(&deps.store, person, &address.to_string(), &format!("end the freeze of {address}")).await?;
    one(result(message).field("thawed", (deps.thaw)(person.instance.id, address)))
}
