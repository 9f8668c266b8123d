//! The tenants.

use super::error::StoreError;
use crate::phone::instance::InstanceId;

/// The tenants in the database.
pub(in crate::store) trait InstanceRepository {
    /// Returns the number of the instance. Adds the instance if it is new. Names are not case-sensitive.
    async fn instance(&self, domain: &str, name: &str) -> Result<InstanceId, StoreError>;
}
