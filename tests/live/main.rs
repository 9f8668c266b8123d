//! End-to-end tests of gangway over real sockets. A gateway runs with a simulated PBX, Users, Devices, redirection
//! service and phones. It runs in this process, or as the real binary where crashes, signals and commands matter. Each
//! file tests one feature.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]
#![expect(clippy::print_stderr, reason = "prints the log of a failed process")]
mod support;

mod admin_api;
mod admin_data;
mod admin_phones;
mod again;
mod attacks;
mod audit;
mod backup;
mod bootstrap;
mod categories;
mod commands;
mod config_change;
mod config_gone;
#[cfg(debug_assertions)]
mod crash;
mod dect;
mod devices_restart;
mod diagnostics;
mod early_request;
mod editions;
mod expired_code;
mod foreign_mac;
mod framed;
mod half_open;
mod happy_path;
mod http_admission;
mod import;
mod line_keys;
mod local_socket;
mod login;
mod messages;
mod missing_admin;
mod no_password;
mod old_schemas;
mod outage;
mod passive;
mod pbx_setup;
mod peer_faults;
mod pnp;
mod redirect_away;
mod redirect_checks;
mod redirect_trust;
mod refused_certificate;
mod removal;
mod rest;
mod resync;
mod rotation;
mod scanning;
mod schemathesis;
mod secrecy;
mod several_devices;
mod shutdown;
mod snom;
mod two_pbxs;
mod url_change;
mod vendor_folder;
mod ymcs;
