//! Tests that the release build cannot be killed by the fail points, because an environment variable must not stop a
//! gateway that serves phones. The same checks on the debug build show that they can fail.
#![expect(clippy::unwrap_used, reason = "a failing test panics")]

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

/// The variable that selects a fail point, as defined in `src/base/failpoint.rs`.
const VARIABLE: &str = "GANGWAY_CRASH_AT";
/// A fail point that is reached by every phone that gets its file.
const POINT: &str = "FileSent";
const SIGKILL: i32 = 9;

fn debug_build() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_gangway"))
}

/// Builds the program as packages ship it. Does nothing if `make test` has already built it.
fn release_build() -> PathBuf {
    let target = debug_build().ancestors().nth(2).unwrap();
    let status = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--release", "--locked", "--bin", "gangway", "--target-dir"])
        .arg(target)
        .status()
        .unwrap();
    assert!(status.success(), "the release build fails");
    target.join("release/gangway")
}

fn names_the_variable(binary: &Path) -> bool {
    let bytes = fs::read(binary).unwrap();
    bytes.windows(VARIABLE.len()).any(|window| window == VARIABLE.as_bytes())
}

/// Runs the demo with one phone and the fail point set.
fn demo(binary: &Path) -> ExitStatus {
    Command::new(binary).args(["demo", "--once", "--phones", "1"]).env(VARIABLE, POINT).status().unwrap()
}

#[test]
fn a_release_build_has_no_crash_points() {
    assert!(names_the_variable(debug_build()), "the search does not find what a debug build holds");
    assert_eq!(demo(debug_build()).signal(), Some(SIGKILL), "a debug build dies where it is told to");

    let release = release_build();

    assert!(!names_the_variable(&release), "{VARIABLE} stands in the release build");
    assert!(demo(&release).success(), "{VARIABLE} changes what a release build does");
}
