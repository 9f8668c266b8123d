//! The thin binary: TLS provider first, then the command line; an error becomes an exit code.

use std::process::ExitCode;

use clap::Parser;
use gangway::cli::{CommandLine, print_error};

fn main() -> ExitCode {
    // Before any client or server exists: with no provider installed rustls panics at first use.
    gangway::net::tls::install_provider();
    CommandLine::parse().run().unwrap_or_else(|error| {
        print_error(&error);
        ExitCode::FAILURE
    })
}
