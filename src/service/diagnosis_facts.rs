//! Inputs of the diagnosis besides the phone's record.

use std::{net::IpAddr, sync::Arc};

use jiff::Timestamp;

use crate::{phone::public_url::PublicUrls, store::RequestFacts};

/// The newest rejection of the gateway's certificate from one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsRejection {
    /// The address.
    pub address: IpAddr,
    /// The time.
    pub at: Timestamp,
    /// The alert, by its name in RFC 8446.
    pub alert: &'static str,
}

/// Status that is the same for all phones of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceStatus {
    /// A PBX is connected.
    pub pbx: bool,
    /// A connected app object has the flag Services.
    pub services: bool,
    /// A PBX announces a Devices app.
    pub devices: bool,
    /// The URLs under which phones reach the gateway.
    pub urls: Arc<PublicUrls>,
    /// The names of connected app objects without the flag Admin.
    pub without_admin: Vec<String>,
    /// Recent rejections of the gateway's certificate, newest first.
    pub refusals: Vec<TlsRejection>,
}

/// Inputs of one phone's diagnosis besides its record.
#[derive(Debug, Clone, Copy)]
pub struct DiagnosisInputs<'a> {
    /// The status of the instance.
    pub instance_status: &'a InstanceStatus,
    /// Its last request.
    pub request: Option<&'a RequestFacts>,
    /// Whether the vendor's folder contains its model. True if the model is unknown.
    pub known_model: bool,
    /// The URL for DHCP or manual configuration. It contains no token.
    pub manual_url: Option<&'a str>,
}

/// One URL for all providers, as with a URL in the configuration.
#[cfg(test)]
pub(super) fn expected_urls() -> Arc<PublicUrls> {
    Arc::new(PublicUrls::of("/example.com/gangway", "https://gw.example.com".parse().unwrap()))
}
