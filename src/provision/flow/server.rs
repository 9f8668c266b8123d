//! The server entry of a redirect account: one per instance and vendor, not per phone. `ADD SERVER` is sent at every
//! start and whenever the URL changes, as the original app does; the reply "has been used" is not treated as an error.

use super::{ServerReadiness, WaitReason};

/// The state of the server entry; kept in memory, so that every start sends it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerEntryProgress {
    /// The name and URL that were ensured since this start.
    pub ensured: Option<(String, String)>,
    /// The name, URL and sentence of a rejection that needs an administrator.
    pub refused: Option<(String, String, String)>,
}

/// The wanted server entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerContext {
    /// Whether an account is configured.
    pub configured: bool,
    /// The entry's name.
    pub name: String,
    /// The entry's URL; `None` while the public URL is unknown.
    pub url: Option<String>,
}

/// The next step for a server entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerDecision {
    /// Write the entry now.
    Write {
        /// The name to write.
        name: String,
        /// The URL to write.
        url: String,
    },
    /// Nothing to do until this happens.
    WaitFor(WaitReason),
    /// Nothing to do.
    Settled,
}

/// Decides the next step for the server entry.
#[must_use]
pub fn server_entry(entry: &ServerEntryProgress, context: &ServerContext) -> ServerDecision {
    if !context.configured {
        return ServerDecision::Settled;
    }
    let Some(url) = &context.url else {
        return ServerDecision::WaitFor(WaitReason::PhoneUrl);
    };
    match entry.readiness(&context.name, url) {
        ServerReadiness::Ready(_) => ServerDecision::Settled,
        ServerReadiness::Refused(_) => ServerDecision::WaitFor(WaitReason::Person),
        ServerReadiness::Pending => ServerDecision::Write { name: context.name.clone(), url: url.clone() },
    }
}

impl ServerEntryProgress {
    /// The state of the entry for this name and URL.
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
