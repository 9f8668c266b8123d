//! The Devices app: one sysclient websocket per phone, and the client that requests codes, categories and domains.

pub mod client;
pub mod sysclients;
