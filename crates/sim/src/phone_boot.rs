//! What the simulated phones report about a boot.

/// One request for a file and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFetch {
    /// The requested name.
    pub file: String,
    /// The HTTP status; 0 if there was no answer.
    pub status: u16,
}

/// One account and the result of its registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRegistration<A> {
    /// The account as read from the settings.
    pub account: A,
    /// The answer of the PBX; an error holds the reason.
    pub outcome: Result<(), String>,
}

/// The requests as (file, status) pairs.
pub(crate) fn pairs(requests: &[FileFetch]) -> Vec<(&str, u16)> {
    requests.iter().map(|fetched| (fetched.file.as_str(), fetched.status)).collect()
}
