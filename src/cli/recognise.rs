//! `gangway recognise`: shows what a request reveals about its phone.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::{Global, output, vendors::registry};
use crate::catalog::FileKind;

/// The facts of a request.
#[derive(Debug, Args)]
pub struct Recognise {
    /// The User-Agent header
    #[arg(long, value_name = "UA")]
    user_agent: Option<String>,
    /// The path or file name asked for
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
}

impl Recognise {
    /// Prints vendor, model, firmware, MAC and kind, `null` where unknown.
    pub fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        if self.user_agent.is_none() && self.path.is_none() {
            bail!("give --user-agent, --path or both");
        }
        let seen = registry(global)?.recognise(self.user_agent.as_deref(), self.path.as_deref());
        output::json(&json!({
            "vendor": seen.vendor.as_deref(),
            "model": seen.model,
            "firmware": seen.firmware,
            "mac": seen.mac,
            "kind": (seen.kind != FileKind::Unknown).then(|| seen.kind.as_str()),
        }));
        Ok(ExitCode::SUCCESS)
    }
}
