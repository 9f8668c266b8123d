//! `gangway pbx`: says what a PBX lacks, and creates and repairs its app objects.

use std::{
    io::{BufRead, IsTerminal, Write},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use super::{Global, command_client::CommandClient, context::block_on, output};
use crate::service::{
    command::CommandRequest,
    types::{PbxSetupFinding, PbxSetupOrder, PbxSetupPlan, PbxSetupRequest, PbxSetupResult},
};

const EXAMPLES: &str = "Examples:
  gangway pbx plan --vendor yealink
  gangway pbx apply --vendor yealink --vendor snom
  gangway pbx apply --provider yealink --pbx master --yes";

/// What to do at a PBX.
#[derive(Debug, Subcommand)]
pub enum PbxCommand {
    /// Say which app objects are there, missing or wrong; change nothing. Exit code 1 when something is missing or wrong
    #[command(after_help = EXAMPLES)]
    Plan(SetupOptions),
    /// Create and repair app objects after a confirmation
    ///
    /// Needs one connected app object with the flag Admin. Only app objects named gangway-... are created. At other app
    /// objects only the list of ticked apps is changed. The flag Admin is never set, no app is given to a user, group or
    /// template, and nothing is deleted. The former value of each change is printed and kept in the audit. What is left
    /// for you is printed with the values to enter.
    #[command(after_help = EXAMPLES)]
    Apply {
        #[command(flatten)]
        options: SetupOptions,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Which set-up.
#[derive(Debug, Clone, Args)]
pub struct SetupOptions {
    /// A vendor whose phones are to be offered, with all its providers; without any, the providers that are connected
    #[arg(long = "vendor", value_name = "VENDOR")]
    vendors: Vec<String>,
    /// One provider only (`yealink` without `yealink-dect`); `gangway vendors` lists them
    #[arg(long = "provider", value_name = "PROVIDER")]
    providers: Vec<String>,
    /// The master PBX, where several are connected
    #[arg(long, value_name = "NAME")]
    pbx: Option<String>,
}

impl SetupOptions {
    fn request(self) -> PbxSetupRequest {
        PbxSetupRequest { vendors: self.vendors, providers: self.providers, pbx: self.pbx }
    }
}

impl PbxCommand {
    /// Runs the command.
    pub fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        block_on(async |tasks| {
            let client = CommandClient::new(global, &tasks)?;
            match self {
                Self::Plan(options) => {
                    let plan = planned(&client, &options.request()).await?;
                    if global.json {
                        output::json(&serde_json::to_value(&plan)?);
                    } else {
                        print_plan(&plan);
                    }
                    Ok(exit(plan.complete))
                }
                Self::Apply { options, yes } => apply(&client, options.request(), yes, global.json).await,
            }
        })
    }
}

fn exit(complete: bool) -> ExitCode {
    if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn planned(client: &CommandClient<'_>, setup: &PbxSetupRequest) -> anyhow::Result<PbxSetupPlan> {
    Ok(client.call(CommandRequest::PlanPbxSetup { setup: setup.clone() }).await?.result)
}

async fn apply(
    client: &CommandClient<'_>,
    mut setup: PbxSetupRequest,
    yes: bool,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let plan = planned(client, &setup).await?;
    // The confirmed changes are those of this PBX, whichever connects meanwhile.
    setup.pbx = Some(plan.pbx.clone());
    if !as_json {
        print_plan(&plan);
    }
    let steps: Vec<String> =
        plan.findings.iter().filter_map(|finding| Some(finding.step.as_ref()?.id.clone())).collect();
    if steps.is_empty() {
        if as_json {
            output::json(&serde_json::to_value(PbxSetupResult { changes: Vec::new(), plan: plan.clone() })?);
        } else {
            output::note("There is nothing that gangway can change.");
        }
        return Ok(exit(plan.complete));
    }
    if !yes && !confirmed(&plan, steps.len())? {
        output::note("Nothing was changed.");
        return Ok(ExitCode::FAILURE);
    }
    let order = PbxSetupOrder { setup, steps };
    let result: PbxSetupResult = client.call(CommandRequest::ApplyPbxSetup { order }).await?.result;
    if as_json {
        output::json(&serde_json::to_value(&result)?);
    } else {
        for change in &result.changes {
            output::line(&change.text.text);
            if let Some(former) = &change.former {
                output::line(&format!("    it was: {}", if former.is_empty() { "(nothing)" } else { former }));
            }
        }
        let left: Vec<&PbxSetupFinding> = result.plan.findings.iter().filter(|left| left.state != "present").collect();
        if !left.is_empty() {
            output::line("");
            output::line("What is left:");
            left.into_iter().for_each(print_finding);
        }
    }
    Ok(exit(result.plan.complete && result.changes.iter().all(|change| change.done)))
}

/// Asks at the terminal, where the plan stands above.
fn confirmed(plan: &PbxSetupPlan, count: usize) -> anyhow::Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        bail!("nobody can be asked here whether the PBX {} may be changed: look at the plan and give --yes", plan.pbx);
    }
    let mut error = std::io::stderr();
    let changes = if count == 1 { "this change".to_owned() } else { format!("these {count} changes") };
    let _ =
        write!(error, "Make {changes} at the PBX {}? [y/N] ", crate::base::telemetry::escape_control::line(&plan.pbx));
    let _ = error.flush();
    let mut line = String::new();
    input.lock().read_line(&mut line).context("the answer cannot be read")?;
    Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn print_plan(plan: &PbxSetupPlan) {
    output::line(&format!("PBX {}; the apps are below {}", plan.pbx, plan.base));
    plan.findings.iter().for_each(print_finding);
    if plan.providers.is_empty() {
        output::line(&format!(
            "No manufacturer is asked for: --vendor or --provider, one of {}",
            plan.offered.join(", ")
        ));
    }
    output::line("");
    for note in &plan.notes {
        output::line(&format!("* {}", note.text));
    }
}

fn print_finding(finding: &PbxSetupFinding) {
    output::line(&format!("{:<8} {}", finding.state, finding.text.text));
    if let Some(step) = &finding.step {
        output::line(&format!("         apply: {}", step.text.text));
    }
    if let Some(by_hand) = &finding.by_hand {
        output::line(&format!("         by hand: {}", by_hand.text));
    }
}
