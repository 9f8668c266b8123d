//! The program that is measured.

use std::path::PathBuf;

/// The program in `GANGWAY_PROGRAM`, otherwise the one that cargo built with this benchmark. `make bench` measures the
/// program as packages ship it. The benchmarks themselves are built without link-time optimisation, which would take
/// minutes for each of them.
pub fn measured_program() -> PathBuf {
    std::env::var_os("GANGWAY_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_gangway").into(), PathBuf::from)
}
