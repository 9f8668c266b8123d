//! The command line: one thin file per command. Commands that change something write their intent into the record;
//! the serving process acts on it.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

/// Everything the command line knows.
#[derive(Debug, Parser)]
#[command(
    name = "gangway",
    version,
    about = "Brings third-party desk phones aboard an innovaphone PBX with zero touch",
    after_help = "Start with `gangway demo`, then `gangway check` with your own gangway.toml, then `gangway serve`."
)]
pub struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = "gangway.toml")]
    pub config: PathBuf,
    /// The instance, where several are configured
    #[arg(long, global = true, value_name = "DOMAIN/NAME")]
    pub instance: Option<String>,
    /// Print data as JSON
    #[arg(long, global = true)]
    pub json: bool,
}
