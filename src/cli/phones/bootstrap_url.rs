//! `gangway phones bootstrap`: creates a bootstrap URL for a phone that does not trust the gateway's certificate yet.

use clap::Args;
use gangway_base::mac::Mac;
use ipnet::IpNet;

use crate::{
    cli::{command_client::CommandClient, output},
    service::command::CommandRequest,
};

/// For whom, and how it comes.
#[derive(Debug, Args)]
pub struct BootstrapUrlArgs {
    /// Its MAC address, in any spelling
    mac: Mac,
    /// It may come by https only from this network
    #[arg(long, value_name = "CIDR")]
    from: Option<IpNet>,
    /// Where phones reach [http] of the gateway, e.g. http://gw.example.com:8080; needed when that is not port 80 of its name
    #[arg(long, value_name = "URL")]
    http_base: Option<String>,
}

impl BootstrapUrlArgs {
    /// Prints the URL.
    pub(super) async fn run(self, client: &CommandClient<'_>) -> anyhow::Result<()> {
        let Self { mac, from, http_base } = self;
        let url: String = client.call(CommandRequest::BootstrapUrl { mac, from, http_base }).await?.result;
        output::line(&url);
        Ok(())
    }
}
