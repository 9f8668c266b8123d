//! The server entries of redirect accounts: written at every start and whenever the name or the URL changes.

use std::sync::Arc;

use gangway_base::secret::Secret;

use super::{
    bootstrap_account,
    endpoint_queue::{EndpointHealth, EndpointKey},
    engine::Engine,
    redirect_accounts::ServerEntryJob,
    retry_on_config_change::fingerprint,
};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    redirect::{self, Operation, RedirectResult},
};

/// Writes one entry and stores the result.
pub(super) async fn ensure(engine: Arc<Engine>, work: ServerEntryJob) {
    let ServerEntryJob { key, facts, name, url } = work;
    let entry = redirect::ServerEntry { name: name.clone(), url: Secret::new(url.clone()) };
    let endpoint = EndpointKey::redirect(&facts.account);
    let used = fingerprint(Some(&facts.account));
    let call = engine.redirects.run(facts.account, Operation::EnsureServer(entry), None);
    let outcome = tokio::select! {
        biased;
        () = engine.tasks.stopping() => return,
        outcome = call => outcome,
    };
    failpoint(Failpoint::ServerAnswered).await;
    let now = engine.deps.now();
    let standing = match &outcome {
        RedirectResult::Ok(done) => Some(done.renamed.clone().unwrap_or_else(|| name.clone())),
        RedirectResult::AlreadyMine | RedirectResult::ServerNameTaken { foreign: false, .. } => Some(name.clone()),
        _ => None,
    };
    if let Some(standing) = &standing
        && let Err(error) = bootstrap_account::set_server_entry(&engine.deps.store, key.0, &key.1, standing, &url).await
    {
        tracing::error!(vendor = key.1, "the server entry's name cannot be stored: {error}");
    }
    failpoint(Failpoint::ServerWritten).await;
    // The entry is the first call to a service, so its result decides whether the service counts as reachable for the
    // phones too. During an outage the entry serves as the probe. A permanent rejection is also an answer.
    let seen = if outcome.is_retryable() { EndpointHealth::of(&outcome) } else { EndpointHealth::Answered };
    engine.turn_ended(&endpoint, seen, now);
    let is_current = engine.is_current_account(key.0, &key.1, &used);
    engine.with_accounts(|accounts| accounts.answered(&key, name, url, standing, &outcome, is_current));
    let phones = engine.deps.store.phones().in_instance(key.0);
    engine.wake(phones.iter().filter(|phone| phone.vendor == key.1).map(|phone| phone.id));
}
