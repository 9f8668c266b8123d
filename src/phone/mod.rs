//! The phone domain model without I/O: addresses, records, facets, admission of file requests and public URLs.

pub mod admission;
pub mod facet;
pub mod facets;
pub mod instance;
pub mod public_url;
pub mod record;
pub mod request_evidence;
