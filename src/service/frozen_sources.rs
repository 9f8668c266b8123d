//! Ends the freeze of a source for an administrator.

use std::net::IpAddr;

use super::{ServiceDependencies, audit, error::ServiceError, types::UnfreezeResult};
use crate::service::caller::Caller;

/// Ends the freeze of the source with this address.
///
/// # Errors
/// If the address is invalid, or the audit cannot be written.
pub async fn unfreeze(
    deps: &ServiceDependencies,
    person: &Caller,
    typed: &str,
) -> Result<UnfreezeResult, ServiceError> {
    let Ok(address) = typed.trim().parse::<IpAddr>() else {
        return Err(ServiceError::BadAddress(typed.chars().take(60).collect()));
    };
    let address = address.to_canonical();
    audit::entry(&deps.store, person, &address.to_string(), &format!("end the freeze of {address}")).await?;
    Ok(UnfreezeResult { thawed: (deps.thaw)(person.instance.id, address) })
}
