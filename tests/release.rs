//! The release build holds none of what lets a test kill the gateway: an environment variable must not end a gateway
//! that serves phones. The same checks on the debug build show that they can fail.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

/// The variable that names a crash point, as `src/base/failpoint.rs` spells it.
const VARIABLE: &str = "GANGWAY_CRASH_AT";
/// Passed by every phone that gets its file.
const POINT: &str = "FileSent";
const SIGKILL: i32 = 9;

fn debug_build() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_gangway"))
}

/// Builds the program as packages ship it; nothing to do where `make test` has built it before.
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

/// Brings one phone into service, told to die on the way.
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
