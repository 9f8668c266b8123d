//! The phone as a plain thing, without any I/O: its address, its record, its facets, who asks for its files and
//! what its configuration consists of.

pub mod admission;
pub mod facet;
pub mod instance;
pub mod public_url;
pub mod record;
pub mod request_evidence;
