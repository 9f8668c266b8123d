//! `gangway phones rotate`: generates new credentials for a phone. The former ones are valid until it has used the new
//! ones.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use gangway_base::mac::Mac;

use crate::{
    cli::{context::CommandContext, output},
    provision::commands,
};

/// How long `--wait` waits.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two checks of the record.
const LOOK: Duration = Duration::from_millis(100);

/// Whose credentials.
#[derive(Debug, Args)]
pub struct Rotate {
    /// Its MAC address, in any spelling
    mac: Mac,
    /// Wait until the phone has used the new ones (at most a minute)
    #[arg(long)]
    wait: bool,
}

impl Rotate {
    /// Writes the change, and follows it with `--wait`.
    pub(crate) async fn run(&self, context: &CommandContext) -> anyhow::Result<()> {
        let (store, mac) = (&context.store, self.mac);
        let Some(phone) = store.phones().by_mac(context.instance, mac) else {
            bail!("no phone {mac} in {}: `gangway phones list` shows what there is", context.label);
        };
        if phone.buried.is_some() {
            bail!("{mac} has been removed: it has no credentials. Provision it again");
        }
        if phone.former.is_none() {
            context.audit(&mac.to_string(), "Change the phone's own credentials").await?;
        }
        let rotated = commands::rotate(store, phone.id).await;
        let rotated = rotated.with_context(|| format!("the record of {mac} cannot be changed"))?;
        if !rotated && !self.wait {
            bail!("new credentials of {mac} are on their way already: the phone has not used them yet. {COME}");
        }
        if !self.wait {
            output::note(&format!("Written: the phone gets them with its next file. {COME}"));
            return Ok(());
        }
        let started = Instant::now();
        while store.phones().get(phone.id).is_some_and(|phone| phone.former.is_some()) {
            if started.elapsed() > PATIENCE {
                bail!(
                    "the phone has not used its new credentials within a minute; the former ones are still good. {COME}"
                );
            }
            tokio::time::sleep(LOOK).await;
        }
        output::note("The phone has used its new credentials: the former ones are dead.");
        Ok(())
    }
}

const COME: &str = "`gangway phones resync` has it come now.";
