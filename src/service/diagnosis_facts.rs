//! What beside the record decides where a phone stands.

use std::{net::IpAddr, sync::Arc};

use jiff::Timestamp;

use crate::{phone::public_url::PublicUrls, store::RequestFacts};

/// The newest refusal of our certificate from one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsRejection {
    /// From where.
    pub address: IpAddr,
    /// When.
    pub at: Timestamp,
    /// The alert, by its name in RFC 8446.
    pub alert: &'static str,
}

/// What of the world around decides, the same for all phones of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceStatus {
    /// A PBX is connected.
    pub pbx: bool,
    /// A connected app object has the flag Services.
    pub services: bool,
    /// A PBX announces a Devices app.
    pub devices: bool,
    /// Under which URLs phones reach us.
    pub urls: Arc<PublicUrls>,
    /// The app objects that are connected and lack the flag Admin, by name.
    pub without_admin: Vec<String>,
    /// Who refused our certificate lately, the newest first.
    pub refusals: Vec<TlsRejection>,
}

/// What beside the record decides about one phone.
#[derive(Debug, Clone, Copy)]
pub struct DiagnosisInputs<'a> {
    /// The world.
    pub around: &'a InstanceStatus,
    /// Its last request.
    pub request: Option<&'a RequestFacts>,
    /// Whether the vendor's folder knows its model; true where the model is not known yet.
    pub known_model: bool,
    /// Where it can be sent by DHCP or by hand; no token in it.
    pub manual_url: Option<&'a str>,
}

/// One URL for everybody, as a gateway has it whose configuration names one.
#[cfg(test)]
pub(super) fn expected_urls() -> Arc<PublicUrls> {
    Arc::new(PublicUrls::of("/example.com/gangway", "https://gw.example.com".parse().unwrap()))
}
