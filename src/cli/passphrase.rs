//! The passphrase of a backup. It is read from a file, the environment or the terminal, never from the command line,
//! which every process of the machine could read.

use std::{
    io::{BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use gangway_base::secret::Secret;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::store::PASSPHRASE_LEAST;

const VARIABLE: &str = "GANGWAY_PASSPHRASE";

/// Where it comes from.
#[derive(Debug, Clone, Args)]
pub struct Passphrase {
    /// File with the passphrase of the backup in its first line; else the variable GANGWAY_PASSPHRASE, else you are asked
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Passphrase {
    /// Gets the passphrase for a new backup. It must be long enough; at the terminal it is entered twice.
    pub fn choose(&self) -> anyhow::Result<Secret> {
        let passphrase = match self.given()? {
            Some(given) => given,
            None => {
                let first = ask("Passphrase for the backup: ")?;
                ensure!(first == ask("The same again: ")?, "the two are different; nothing was written");
                first
            }
        };
        ensure!(
            passphrase.expose().chars().count() >= PASSPHRASE_LEAST,
            "the passphrase is too short: whoever finds the backup can try millions, so take at least {PASSPHRASE_LEAST} \
             characters, better several words"
        );
        Ok(passphrase)
    }

    /// Gets the passphrase of an existing backup.
    pub fn enter(&self) -> anyhow::Result<Secret> {
        match self.given()? {
            Some(given) => Ok(given),
            None => ask("Passphrase of the backup: "),
        }
    }

    fn given(&self) -> anyhow::Result<Option<Secret>> {
        if let Some(file) = &self.passphrase_file {
            return read(file).map(Some);
        }
        Ok(std::env::var(VARIABLE).ok().filter(|given| !given.is_empty()).map(Secret::new))
    }
}

fn read(file: &Path) -> anyhow::Result<Secret> {
    let text = std::fs::read_to_string(file)
        .map(Secret::new)
        .with_context(|| format!("the passphrase cannot be read from {}", file.display()))?;
    let line = text.expose().lines().next().unwrap_or_default();
    ensure!(!line.is_empty(), "the first line of {} is empty: write the passphrase there", file.display());
    Ok(Secret::new(line))
}

/// Prompts at the terminal without echoing the input.
fn ask(question: &str) -> anyhow::Result<Secret> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        bail!("nobody can be asked for the passphrase here: give --passphrase-file FILE or set {VARIABLE}");
    }
    let mut error = std::io::stderr();
    let _ = error.write_all(question.as_bytes());
    let _ = error.flush();
    let original = tcgetattr(&input).context("the terminal cannot be told to hide the passphrase")?;
    let mut hidden = original.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&input, OptionalActions::Flush, &hidden).context("the terminal cannot be told to hide the passphrase")?;
    let mut line = zeroize::Zeroizing::new(String::new());
    let read = input.lock().read_line(&mut line);
    let back = tcsetattr(&input, OptionalActions::Now, &original);
    let _ = error.write_all(b"\n");
    read.and_then(|_bytes| back.map_err(Into::into)).context("the passphrase cannot be read")?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}
