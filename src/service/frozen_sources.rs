//! Ends the freeze of a source for an administrator.

use std::net::IpAddr;

use super::{ServiceDependencies, audit, response::RequestError, text::Text, types::UnfreezeResult};
use crate::service::caller::Caller;

/// Ends the freeze of the source with this address.
///
/// # Errors
/// If the address is invalid, or the audit cannot be written.
pub async fn unfreeze(
    deps: &ServiceDependencies,
    person: &Caller,
    typed: &str,
) -> Result<UnfreezeResult, RequestError> {
    let Ok(address) = typed.trim().parse::<IpAddr>() else {
        let address: String = typed.chars().take(60).collect();
        return Err(Text::new("bad-address").with("address", address).into());
    };
    let address = address.to_canonical();
    audit::entry(&deps.store, person, &address.to_string(), &format!("end the freeze of {address}")).await?;
    Ok(UnfreezeResult { thawed: (deps.thaw)(person.instance.id, address) })
}
