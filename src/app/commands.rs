//! Serves the commands of the data's owner at the local socket.

use gangway_base::tasks::Tasks;

use super::{
    StartError,
    threads::{Threads, on},
};
use crate::{
    api::local_socket::{LocalSocketListener, PeerPolicy},
    base::config::Config,
    net::egress_policy::EgressPolicy,
    service::{AdminService, command::CommandService},
};

/// Starts serving on the thread of the admin service, so that no command delays a phone. If the file system cannot
/// create the socket, the gateway serves phones all the same.
pub(super) async fn serve(
    config: &Config,
    threads: &Threads,
    tasks: &Tasks,
    service: &AdminService,
) -> Result<(), StartError> {
    let listener = match LocalSocketListener::bind(&config.data.dir, PeerPolicy::owner_and_root()) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(dir = %config.data.dir.display(), %error, "commands cannot reach this gateway: its local socket cannot be created");
            return Ok(());
        }
    };
    let reach = EgressPolicy::public_and(config.net.allow.clone());
    let service = CommandService::of_gateway(service.clone(), reach, config.https.phone_ca.clone());
    let tasks = tasks.clone();
    on(&threads.admin.handle(), move || {
        let serving = listener.serve(service, tasks.clone());
        tasks.spawn("local socket", serving);
    })
    .await
}
