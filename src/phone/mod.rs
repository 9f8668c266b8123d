//! The phone as a plain thing, without any I/O: its address, its record, its facets, who asks for its files and
//! what its configuration consists of.

pub mod admission;
pub mod characters;
pub mod facet;
pub mod firmware;
pub mod host;
pub mod identity;
pub mod instance;
pub mod line_keys;
pub mod mac;
pub mod neutral;
pub mod public_url;
pub mod record;
pub mod saying;
pub mod settings;
pub mod shown;
pub mod time_zone;
