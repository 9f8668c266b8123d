//! The requests of phones.

use std::{net::IpAddr, sync::Arc};

use jiff::Timestamp;

use super::error::StoreError;
use crate::phone::{instance::InstanceId, record::PhoneId};

/// The outcome of a complete delivery.
pub(in crate::store) const DELIVERED: &str = "delivered";

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestNote {
    /// The instance of the requested path.
    pub instance: InstanceId,
    /// The phone, if it was identified.
    pub phone: Option<PhoneId>,
    /// When the request arrived.
    pub at: Timestamp,
    /// Address of the client.
    pub address: IpAddr,
    /// Its User-Agent.
    pub user_agent: Option<Arc<str>>,
    /// The file name, without the path (the path may hold a token).
    pub file: Arc<str>,
    /// The result, as a stable identifier (`delivered`, `not-modified`, `refused`, ...).
    pub outcome: &'static str,
}

/// The last request of a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts {
    /// When it arrived.
    pub at: Timestamp,
    /// Address of the client.
    pub address: String,
    /// Its User-Agent.
    pub user_agent: Option<String>,
    /// The file name.
    pub file: String,
    /// See [`RequestNote::outcome`].
    pub outcome: String,
    /// Total number of requests.
    pub requests: u64,
}

/// The last requests in the database.
pub(in crate::store) trait RequestRepository {
    /// Writes the facts that memory holds and the database does not. On an error they stay in memory.
    async fn flush_requests(&self) -> Result<(), StoreError>;
}
