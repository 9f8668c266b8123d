//! The origins whose pages may show the admin page in a frame: those in the configuration, and the PBXs that are or
//! were connected. Former PBXs are stored, because after a restart users open the page before the PBX has reconnected.

use gangway_base::tasks::Tasks;
use tokio::sync::broadcast::error::RecvError;

use crate::{
    pbx::sessions::PbxSessions,
    phone::instance::{Instance, InstanceId, Instances},
    store::Store,
};

/// Maximum number of stored hosts, because the removal of a PBX is not reported.
const KEPT: usize = 16;

/// Returns the origins, sorted.
#[must_use]
pub fn ancestors(store: &Store, sessions: &PbxSessions, instance: &Instance, encrypted: bool) -> Vec<String> {
    let scheme = if encrypted { "https" } else { "http" };
    let connected = sessions.of(instance.id).into_iter().map(|session| session.dns.clone());
    let hosts = store.learned().frame_hosts(instance.id).into_iter().chain(connected).filter(|host| is_host(host));
    let mut origins = instance.frame_ancestors.clone();
    origins.extend(hosts.map(|host| format!("{scheme}://{host}")));
    origins.sort();
    origins.dedup();
    origins
}

/// Stores the hosts of PBXs that connect, until the gateway stops.
pub async fn watch(store: Store, sessions: PbxSessions, instances: Instances, tasks: Tasks) {
    let mut changes = sessions.changes();
    loop {
        for instance in instances.iter() {
            let connected = sessions.of(instance.id).into_iter().map(|session| session.dns.clone());
            if let Err(error) = keep(&store, instance.id, connected).await {
                tracing::warn!(%error, instance = %instance.label(), "the name of a PBX is not kept: after a restart its client shows the page only once the PBX is back");
            }
        }
        tokio::select! {
            () = tasks.stopping() => return,
            changed = changes.recv() => if matches!(changed, Err(RecvError::Closed)) { return },
        }
    }
}

async fn keep(
    store: &Store,
    instance: InstanceId,
    hosts: impl Iterator<Item = String>,
) -> Result<(), crate::store::StoreError> {
    let known = store.learned().frame_hosts(instance);
    let mut all = known.clone();
    for host in hosts.filter(|host| is_host(host)) {
        if !all.contains(&host) {
            all.push(host);
        }
    }
    let all = all.split_off(all.len().saturating_sub(KEPT));
    if all == known {
        return Ok(());
    }
    store.learned().set_frame_hosts(instance, all).await
}

/// Whether a text can be used as a host in a header.
fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_get_into_the_policy() {
        for (text, expected) in
            [("pbx.example.com", true), ("10.0.0.1", true), ("", false), ("a b", false), ("a;script-src *", false)]
        {
            assert_eq!(is_host(text), expected, "{text}");
        }
    }
}
