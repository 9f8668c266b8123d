//! The command line, with one file per command. The running gateway executes requests of commands over its local
//! socket; without one, the command works on the store itself.

mod audit;
mod backup;
mod check;
mod command_client;
mod context;
#[cfg(feature = "demo")]
mod demo;
mod diagnostics;
mod import;
mod keys;
mod output;
mod passphrase;
mod pbx;
mod phones;
mod recognise;
mod render;
mod serve;
mod settings;
mod tokens;
mod vendors;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

pub use output::print_error;

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

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve PBXs and phones until told to stop
    Serve(serve::Serve),
    /// Watch simulated phones pass every station, with a simulated PBX, Devices and redirect service
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    /// Look for everything that would keep phones from working; exit code 1 when something does
    Check,
    /// Print a file as a phone gets it, secrets masked
    Render(render::Render),
    /// Tell vendor, model, firmware, MAC and kind of file from a request
    Recognise(recognise::Recognise),
    /// List phones, show one, say what is wanted of it
    #[command(subcommand)]
    Phones(phones::PhonesCommand),
    /// Compare the PBX's app objects with what gangway needs, create and repair them
    #[command(subcommand)]
    Pbx(pbx::PbxCommand),
    /// Read and change settings; a running gateway follows within a second
    #[command(subcommand)]
    Settings(settings::SettingsCommand),
    /// The key that seals passwords and codes in the database
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Write everything into one file, for another host if need be; a running gateway goes on meanwhile
    Backup(backup::BackupArgs),
    /// Put a backup in place; the gateway is passive then until it is told to take over
    Restore(backup::RestoreArgs),
    /// Write one archive for a support ticket: records, settings, logs, without secrets and with aliases for names
    Diagnostics(diagnostics::Diagnostics),
    /// Make, list and end the tokens scripts show at the REST api
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    /// Who changed what or had a secret shown, by page, script or command
    Audit(audit::Audit),
    /// Print the OpenAPI document of the REST api
    Openapi,
    /// The vendors and models this gateway knows
    Vendors(vendors::VendorsArgs),
}

impl CommandLine {
    /// Runs the command.
    ///
    /// # Errors
    /// The errors of the command, as a chain of sentences for [`print_error`].
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let global = &self.global;
        match self.command {
            Command::Serve(serve) => serve.run(global),
            #[cfg(feature = "demo")]
            Command::Demo(demo) => demo.run(global),
            Command::Check => check::run(global),
            Command::Render(render) => render.run(global),
            Command::Recognise(recognise) => recognise.run(global),
            Command::Phones(phones) => phones.run(global),
            Command::Pbx(pbx) => pbx.run(global),
            Command::Settings(settings) => settings.run(global),
            Command::Keys(keys) => keys.run(global),
            Command::Backup(backup) => backup.run(global),
            Command::Restore(restore) => restore.run(global),
            Command::Diagnostics(diagnostics) => diagnostics.run(global),
            Command::Tokens(tokens) => tokens.run(global),
            Command::Openapi => {
                output::json(&crate::api::rest::document(""));
                Ok(ExitCode::SUCCESS)
            }
            Command::Audit(audit) => audit.run(global),
            Command::Vendors(vendors) => vendors.run(global),
        }
    }
}
