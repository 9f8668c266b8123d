//! `gangway vendors`: what is supported.

use std::process::ExitCode;

use clap::Args;

/// Lists vendors, or the models of one.
#[derive(Debug, Args)]
pub struct Vendors {
    /// A vendor, to see its models
    vendor: Option<String>,
}
