//! The server entry of a redirect account: one per instance and vendor, not per phone. `ADD SERVER` is sent at every
//! start and whenever the URL changes, as the original app does; "has been used" is no error.

use super::{Awaited, ServerReadiness};

/// How far the server entry is; kept in memory, so that a start always sends it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerEntryProgress {
    /// The name and URL that stand since this start.
    pub ensured: Option<(String, String)>,
    /// The name, URL and sentence of a refusal that needs a person.
    pub refused: Option<(String, String, String)>,
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
}

/// What comes next for a server entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerDecision {
    /// Write it now.
    Write {
        /// Under this name.
        name: String,
        /// With this URL.
        url: String,
    },
    /// Nothing until this happens.
    WaitFor(Awaited),
    /// Nothing to do.
    Settled,
}

/// Decides about the entry.
#[must_use]
pub fn server_entry(entry: &ServerEntryProgress, context: &ServerContext) -> ServerDecision {
    if !context.configured {
        return ServerDecision::Settled;
    }
    let Some(url) = &context.url else {
        return ServerDecision::WaitFor(Awaited::PhoneUrl);
    };
    match entry.readiness(&context.name, url) {
        ServerReadiness::Ready(_) => ServerDecision::Settled,
        ServerReadiness::Refused(_) => ServerDecision::WaitFor(Awaited::Person),
        ServerReadiness::Pending => ServerDecision::Write { name: context.name.clone(), url: url.clone() },
    }
}

impl ServerEntryProgress {
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
