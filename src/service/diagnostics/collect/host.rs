//! The program and the host it runs on.

use std::fs;

use serde_json::{Value, json};

use crate::{service::diagnostics::Sources, store::DATABASE};

/// Version, build, platform, and state of the database.
pub fn host(sources: &Sources<'_>) -> Value {
    let line = |file: &str, beginning: &str| {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(beginning))?;
        Some(line.trim().trim_matches('"').to_owned())
    };
    let store = sources.store;
    let size = |suffix: &str| fs::metadata(store.dir().join(format!("{DATABASE}{suffix}"))).ok().map(|file| file.len());
    json!({
        "program": "gangway",
        "version": env!("CARGO_PKG_VERSION"),
        "build": sources.build,
        "simulators": cfg!(feature = "demo"),
        "made": format!("{:.0}", sources.clock.now()),
        "system": std::env::consts::OS,
        "machine": std::env::consts::ARCH,
        "kernel": line("/proc/sys/kernel/osrelease", ""),
        "distribution": line("/etc/os-release", "PRETTY_NAME="),
        "processors": std::thread::available_parallelism().ok().map(std::num::NonZero::get),
        "memory": line("/proc/meminfo", "MemTotal:"),
        "memory_available": line("/proc/meminfo", "MemAvailable:"),
        "host_up_seconds": line("/proc/uptime", "").and_then(|text| text.split(' ').next().map(str::to_owned)),
        "database_bytes": size(""),
        "database_log_bytes": size("-wal"),
        "database": store.condition().message(),
        "phones": store.phones().len(),
    })
}
