//! The server entry of a redirect account: one per instance and vendor, not per phone. `ADD SERVER` is sent at every
//! start and whenever the URL changes, as the original app does; "has been used" is no error.

use jiff::Timestamp;

use super::{Awaited, Decision, ServerReadiness, when_due};

/// How far the server entry is; kept in memory, so that a start always sends it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerEntry {
    /// The name and URL that stand since this start.
    pub ensured: Option<(String, String)>,
    /// The name, URL and sentence of a refusal that needs a person.
    pub refused: Option<(String, String, String)>,
    /// When to try again after a failure that can heal.
    pub next_attempt: Option<Timestamp>,
}

/// What is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerContext {
    /// Whether there is an account.
    pub configured: bool,
    /// The entry's name.
    pub name: String,
    /// Its URL; `None` while the own URL is unknown.
    pub url: Option<String>,
    /// The service is away until then.
    pub away_until: Option<Timestamp>,
}

/// What comes next: `Ok((name, url))` to write, else the decision to wait.
pub fn server_entry(
    entry: &ServerEntry,
    context: &ServerContext,
    now: Timestamp,
) -> Result<(String, String), Decision> {
    if !context.configured {
        return Err(Decision::Settled);
    }
    let Some(url) = &context.url else {
        return Err(Decision::WaitFor(Awaited::PhoneUrl));
    };
    match entry.readiness(&context.name, url) {
        ServerReadiness::Ready(_) => return Err(Decision::Settled),
        ServerReadiness::Refused(_) => return Err(Decision::WaitFor(Awaited::Person)),
        ServerReadiness::Pending => {}
    }
    if let Some(until) = context.away_until.filter(|until| *until > now) {
        return Err(Decision::WaitUntil(until));
    }
    match when_due(entry.next_attempt, now, || Decision::Settled) {
        Decision::Settled => Ok((context.name.clone(), url.clone())),
        wait => Err(wait),
    }
}

impl ServerEntry {
    /// How far it is for this name and URL.
    #[must_use]
    pub fn readiness(&self, name: &str, url: &str) -> ServerReadiness {
        if let Some((known, at)) = &self.ensured
            && known == name
            && at == url
        {
            return ServerReadiness::Ready(known.clone());
        }
        match &self.refused {
            Some((known, at, sentence)) if known == name && at == url => ServerReadiness::Refused(sentence.clone()),
            _ => ServerReadiness::Pending,
        }
    }
}
