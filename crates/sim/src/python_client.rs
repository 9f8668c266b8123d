//! Python's HTTP and XML-RPC libraries as independent clients of the simulated redirect services.

use std::process::Command;

/// Runs a script with `url` as its argument and returns the lines it prints.
pub(crate) async fn run(script: &'static str, url: String) -> Vec<String> {
    let run = move || Command::new("python3").args(["-c", script, &url]).output();
    let output = actix_web::web::block(run).await.unwrap().expect("python3 is installed (make tools)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
