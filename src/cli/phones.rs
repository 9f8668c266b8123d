//! `gangway phones`: lists phones, shows their state, and changes what is desired of them.

mod bootstrap_url;
mod check_redirect;
mod report;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use gangway_base::mac::Mac;
use ipnet::IpNet;

use super::{Global, command_client::CommandClient, context::block_on, import::ImportArgs, output};
use crate::service::command::{CommandRequest, PhoneChangeKind};

/// What to do with phones.
#[derive(Debug, Subcommand)]
pub enum PhonesCommand {
    /// All phones of the instance
    List {
        /// Also those that were removed
        #[arg(long)]
        removed: bool,
    },
    /// One phone with everything known about it
    Show {
        /// Its MAC address, in any spelling
        mac: Mac,
    },
    /// Provision many phones out of a file
    Import(ImportArgs),
    /// Let the phone fetch its file with its redirect URL once more, as after a factory reset
    ///
    /// This also lets the phone in from an address that is frozen because it tried one MAC address after the other; with
    /// --from the frozen addresses of that network are thawed. A blocked phone stays blocked: see `activate`.
    Allow {
        #[command(flatten)]
        change: PhoneChange,
        /// Also without its redirect URL (DHCP, a URL typed by hand): then everybody who knows the MAC may come first
        #[arg(long)]
        without_token: bool,
        /// Without its redirect URL only from this network
        #[arg(long, value_name = "CIDR", requires = "without_token")]
        from: Option<IpNet>,
    },
    /// Make a one-time plain-HTTP URL that brings our CA and the https URL to a phone that does not trust our certificate
    ///
    /// Whoever fetches it learns nothing secret. The phone may then come by https without its redirect URL, once.
    Bootstrap(bootstrap_url::BootstrapUrlArgs),
    /// Give the phone new credentials of its own; the former ones are good until it has used the new ones
    Rotate {
        /// Its MAC address, in any spelling
        mac: Mac,
        /// Wait until the phone has used the new ones (at most a minute)
        #[arg(long)]
        wait: bool,
    },
    /// Send one more file with all accounts off, then nothing
    Release(PhoneChange),
    /// Deliver nothing any more, also to a phone that proves itself; `activate` ends it
    Block(PhoneChange),
    /// Put a blocked or released phone back into service: it gets its configuration with its next request
    Activate(PhoneChange),
    /// Compare what the redirect service holds with what it should
    Check(check_redirect::CheckRedirectArgs),
    /// Take the phone out (redirect entry, sysclient, record), or one user off it
    Remove {
        #[command(flatten)]
        change: PhoneChange,
        /// Take only the accounts of this user off, e.g. one handset off a base; the others stay
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Tell the phone to fetch its file now, and see whether it comes
    Resync(PhoneChange),
}

/// A change of one phone.
#[derive(Debug, Args)]
pub struct PhoneChange {
    /// Its MAC address, in any spelling
    mac: Mac,
    /// Wait until the serving gateway has carried it out (at most a minute)
    #[arg(long)]
    wait: bool,
}

impl PhonesCommand {
    /// Runs the command.
    pub fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        block_on(async |tasks| {
            let client = CommandClient::new(global, &tasks)?;
            match self {
                Self::List { removed } => report::list(&client, removed, global.json).await?,
                Self::Show { mac } => report::show(&client, mac, global.json).await?,
                Self::Import(import) => return import.run(&client, global.json).await,
                Self::Check(check) => return check.run(&client, global.json).await,
                Self::Bootstrap(wish) => wish.run(&client).await?,
                Self::Allow { change, without_token, from } => {
                    let kind = match without_token {
                        true => PhoneChangeKind::AllowWithoutToken { from },
                        false => PhoneChangeKind::Allow,
                    };
                    if change.carry_out(&client, kind).await? {
                        output::note(
                            "Its users' passwords were dropped when its time ran out: it gets the open part only. Provision it \
                             again in Profile or UsersAdmin.",
                        );
                    }
                }
                Self::Rotate { mac, wait } => {
                    client.call::<()>(CommandRequest::RotateCredentials { mac, wait }).await?;
                }
                Self::Release(change) => {
                    change.carry_out(&client, PhoneChangeKind::Release).await?;
                }
                Self::Block(change) => {
                    change.carry_out(&client, PhoneChangeKind::Block).await?;
                }
                Self::Activate(change) => {
                    change.carry_out(&client, PhoneChangeKind::Activate).await?;
                }
                Self::Remove { change, user } => {
                    let kind = user.map_or(PhoneChangeKind::Remove, |user| PhoneChangeKind::RemoveUser { user });
                    change.carry_out(&client, kind).await?;
                }
                Self::Resync(change) => change.resync(&client).await?,
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

impl PhoneChange {
    /// Returns whether the phone lacks its users' passwords.
    async fn carry_out(&self, client: &CommandClient<'_>, change: PhoneChangeKind) -> anyhow::Result<bool> {
        let request = CommandRequest::ChangePhone { mac: self.mac, change, wait: self.wait };
        let lacks_passwords = client.call(request).await?.result;
        output::note(match self.wait {
            true => "Carried out.",
            false => "Written; a running gateway carries it out now.",
        });
        Ok(lacks_passwords)
    }

    /// Makes the gateway resync the phone. With `--wait` the result determines the exit code.
    async fn resync(&self, client: &CommandClient<'_>) -> anyhow::Result<()> {
        let request = CommandRequest::ResyncPhone { mac: self.mac, wait: self.wait };
        let sentence: Option<String> = client.call(request).await?.result;
        output::note(
            sentence
                .as_deref()
                .unwrap_or("The gateway tells the phone now, and the phone's time line what came of it."),
        );
        Ok(())
    }
}
