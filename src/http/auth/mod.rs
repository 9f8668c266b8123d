//! Authenticates requests: credentials, client certificates, lockout, and scan detection. Rejections of known and
//! unknown phones look the same.

pub mod authenticate;
pub mod challenge_cache;
pub mod client_certificate;
pub mod constant_time_responses;
pub mod honeypot_macs;
pub mod lockout;
pub mod scan_detector;
pub mod source_prefix;
