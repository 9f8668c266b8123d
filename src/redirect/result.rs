//! What came of an operation, in one set of words for every vendor, each with a sentence for people.

use std::time::Duration;

use gangway_base::secret::Secret;

use crate::net::http::HttpError;

/// How a phone is sent to us now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryUsed {
    /// By a URL of its own.
    UniqueUrl,
    /// By the server entry of this name, that is, by the URL all phones of the account share.
    Server {
        /// The entry's name.
        name: String,
    },
}

/// What the phone asks for on its screen before it follows the redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// This PIN, or the last five digits of its serial number.
    Pin(Secret),
    /// The last five digits of its serial number.
    SerialEnd,
}

/// What is wrong with a serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerialTrouble {
    /// None is known.
    Missing,
    /// The service does not accept the one given.
    Refused,
}

/// What was achieved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Set by a registration.
    pub entry: Option<EntryUsed>,
    /// The server entry that exists now under another name than the one asked for, because that one belongs to
    /// another customer of the vendor: use it from now on.
    pub renamed: Option<String>,
    /// The phone does not come without a person: what it asks for.
    pub confirmation: Option<Confirmation>,
}

/// Trouble between us and the service that says nothing about the phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectFailure {
    /// No answer.
    Http(HttpError),
    /// An answer with a status that is neither success nor one of the refusals we know.
    Status(u16),
    /// The service says that it is out of order (5xx).
    Broken(u16),
    /// A web page or another text instead of the protocol (its beginning, masked).
    NotTheProtocol(String),
    /// The answer ends in the middle or is not well-formed.
    HalfAnswer(String),
    /// The service says in words of its own that it is out of order or busy with the same thing (masked).
    OutOfOrder(String),
    /// The token kept for the account does not hold any more; a new one is fetched.
    TokenExpired,
    /// The service does not take the token it has just given.
    TokenRefused,
    /// The service refused our time and proved its own: the call is sent again with that.
    OtherTime {
        /// How far its clock is ahead of ours, in seconds.
        ahead: i64,
    },
    /// It refused its own time too.
    TimeRefused {
        /// How far its clock is ahead of ours, in seconds.
        ahead: i64,
    },
    /// An answer without the proof that it comes from the service; what was not proven.
    Unproven(&'static str),
    /// A link out of an answer leads to another host (its origin); it was not followed.
    LinkElsewhere(String),
    /// The gateway is stopping; nothing was sent or the answer was not waited for.
    Stopping,
}

/// What came of an operation or of one call of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectResult {
    /// Done.
    Ok(Done),
    /// The phone was ours already.
    AlreadyMine,
    /// The phone is ours, but is sent somewhere else than it should be (where, masked).
    SentElsewhere(String),
    /// The phone belongs to another account; nothing was changed.
    OwnedByOther,
    /// The service does not take this MAC for one of its phones.
    InvalidMac,
    /// The service does not accept our URL.
    InvalidUrl(String),
    /// The service does not accept our server name, or does not know it.
    InvalidServerName(String),
    /// The server name exists already: usually since our last start (`foreign` false), else another customer's.
    ServerNameTaken {
        /// The name.
        name: String,
        /// True when it is known to belong to somebody else.
        foreign: bool,
    },
    /// The phone (or what was asked for) is not registered there.
    NotFound,
    /// The service wants the serial number beside the MAC, or another one.
    NeedsSerial(SerialTrouble),
    /// The account may not do this.
    NotPermitted(String),
    /// User or password is wrong.
    AuthFailed,
    /// Too many calls.
    RateLimited {
        /// The pause the service asked for.
        retry_after: Option<Duration>,
    },
    /// Trouble on the way.
    Transport(RedirectFailure),
    /// An answer we cannot place: its text, masked.
    Unknown(String),
    /// The account is not complete; what is missing.
    NotConfigured(String),
}

/// Characters of a service's own words in a sentence; the history has them all.
const WORDS: usize = 300;

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(WORDS).collect();
    if short.len() < text.len() {
        short.push_str(" ...");
    }
    short
}

impl RedirectResult {
    /// Done, nothing else to say.
    pub(super) fn done() -> Self {
        Self::Ok(Done::default())
    }

    /// A sentence a person can act on.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Ok(done) => done.sentence(),
            Self::AlreadyMine => "The phone is registered to our account at the redirect service.".to_owned(),
            Self::SentElsewhere(found) => format!(
                "The phone is registered to our account at the redirect service but sent to another place ({found}): \
                 somebody changed it there."
            ),
            Self::OwnedByOther => {
                "The phone is registered to another account at the redirect service: have its former \
                 owner or the distributor release it there, then try again."
                    .to_owned()
            }
            Self::InvalidMac => "The redirect service does not accept this MAC address: compare it with the label of \
                 the phone, and the phone with the vendor."
                .to_owned(),
            Self::InvalidUrl(text) => format!(
                "The redirect service does not accept the provisioning URL ({text}): check public_url and phone_url."
            ),
            Self::InvalidServerName(text) => format!(
                "The redirect service does not accept the server name ({text}): set another one, at most 24 characters \
                 out of A-Z a-z 0-9 - _ . and blank."
            ),
            Self::ServerNameTaken { name, foreign: false } => {
                format!("The server entry '{name}' exists already at the redirect service.")
            }
            Self::ServerNameTaken { name, foreign: true } => format!(
                "The server name '{name}' belongs to another customer of the vendor: set another server name for this \
                 redirect service."
            ),
            Self::NotFound => "The phone is not registered to our account at the redirect service.".to_owned(),
            Self::NeedsSerial(SerialTrouble::Missing) => "The redirect service wants the serial number of the phone \
                 beside its MAC address: set serial_number for this phone as it stands on the label (gangway settings \
                 set serial_number NUMBER --phone MAC), or let phones be added by their MAC alone \
                 (redirect.<vendor>.mac_only) where the vendor permits it."
                .to_owned(),
            Self::NeedsSerial(SerialTrouble::Refused) => "The redirect service does not accept the serial number of \
                 the phone: compare serial_number of this phone with the label."
                .to_owned(),
            Self::NotPermitted(text) => format!(
                "The redirect service does not permit this to our account ({}): have the distributor extend the \
                 account's rights.",
                shortened(text)
            ),
            Self::AuthFailed => "The redirect service refuses user or password of the redirect account: enter them \
                 again in the settings."
                .to_owned(),
            Self::RateLimited { retry_after: Some(pause) } => format!(
                "The redirect service wants fewer calls and asks for a pause of {} s; it is tried again after that.",
                pause.as_secs()
            ),
            Self::RateLimited { retry_after: None } => {
                "The redirect service wants fewer calls; it is tried again later.".to_owned()
            }
            Self::Transport(trouble) => trouble.sentence(),
            Self::Unknown(text) => {
                format!("The redirect service answered something unknown: \"{}\".", shortened(text))
            }
            Self::NotConfigured(what) => format!("The redirect service is not configured: {what}."),
        }
    }

    /// Trying the same again later may help without anybody's doing.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. } => true,
            Self::Transport(trouble) => match trouble {
                RedirectFailure::Http(error) => error.is_retryable(),
                RedirectFailure::Status(_) | RedirectFailure::LinkElsewhere(_) => false,
                // A maintenance page looks like any other page.
                RedirectFailure::Broken(_)
                | RedirectFailure::NotTheProtocol(_)
                | RedirectFailure::HalfAnswer(_)
                | RedirectFailure::OutOfOrder(_)
                | RedirectFailure::TokenExpired
                | RedirectFailure::TokenRefused
                | RedirectFailure::OtherTime { .. }
                | RedirectFailure::TimeRefused { .. }
                | RedirectFailure::Unproven(_)
                | RedirectFailure::Stopping => true,
            },
            _ => false,
        }
    }

    /// What was remembered of the account may be what went wrong: it is not used for the next operation. A verdict
    /// about the phone says nothing against it.
    pub(super) fn casts_doubt(&self) -> bool {
        match self {
            Self::AuthFailed | Self::NotPermitted(_) | Self::Transport(_) | Self::Unknown(_) => true,
            Self::Ok(_)
            | Self::AlreadyMine
            | Self::SentElsewhere(_)
            | Self::OwnedByOther
            | Self::InvalidMac
            | Self::InvalidUrl(_)
            | Self::InvalidServerName(_)
            | Self::ServerNameTaken { .. }
            | Self::NotFound
            | Self::NeedsSerial(_)
            | Self::RateLimited { .. }
            | Self::NotConfigured(_) => false,
        }
    }

    /// A word for metrics and for the history's filter.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::AlreadyMine => "already_mine",
            Self::SentElsewhere(_) => "sent_elsewhere",
            Self::OwnedByOther => "owned_by_other",
            Self::InvalidMac => "invalid_mac",
            Self::InvalidUrl(_) => "invalid_url",
            Self::InvalidServerName(_) => "invalid_server_name",
            Self::ServerNameTaken { .. } => "server_name_taken",
            Self::NotFound => "not_found",
            Self::NeedsSerial(_) => "needs_serial",
            Self::NotPermitted(_) => "not_permitted",
            Self::AuthFailed => "auth_failed",
            Self::RateLimited { .. } => "rate_limited",
            Self::Transport(_) => "transport",
            Self::Unknown(_) => "unknown",
            Self::NotConfigured(_) => "not_configured",
        }
    }

    /// Sends every text the service gave through `mask`.
    pub(super) fn masked(self, mask: impl Fn(&str) -> String) -> Self {
        match self {
            Self::SentElsewhere(text) => Self::SentElsewhere(mask(&text)),
            Self::InvalidUrl(text) => Self::InvalidUrl(mask(&text)),
            Self::InvalidServerName(text) => Self::InvalidServerName(mask(&text)),
            Self::NotPermitted(text) => Self::NotPermitted(mask(&text)),
            Self::Unknown(text) => Self::Unknown(mask(&text)),
            Self::Transport(RedirectFailure::NotTheProtocol(text)) => {
                Self::Transport(RedirectFailure::NotTheProtocol(mask(&text)))
            }
            Self::Transport(RedirectFailure::HalfAnswer(text)) => {
                Self::Transport(RedirectFailure::HalfAnswer(mask(&text)))
            }
            Self::Transport(RedirectFailure::OutOfOrder(text)) => {
                Self::Transport(RedirectFailure::OutOfOrder(mask(&text)))
            }
            other => other,
        }
    }
}

impl Done {
    fn sentence(&self) -> String {
        let mut text = match &self.entry {
            None => "Done.".to_owned(),
            Some(EntryUsed::UniqueUrl) => "The redirect service sends the phone to its own URL.".to_owned(),
            Some(EntryUsed::Server { name }) => format!(
                "The redirect service knows no URL per phone; it sends the phone to the URL of the server entry '{name}'."
            ),
        };
        if let Some(name) = &self.renamed {
            text.push_str(&format!(
                " The server name asked for belongs to another customer of the vendor, so the entry is called '{name}'."
            ));
        }
        match &self.confirmation {
            Some(Confirmation::Pin(pin)) => text.push_str(&format!(
                " At its first start the phone asks for the PIN {} or the last five digits of its serial number.",
                pin.expose()
            )),
            Some(Confirmation::SerialEnd) => {
                text.push_str(" At its first start the phone asks for the last five digits of its serial number.");
            }
            None => {}
        }
        text
    }
}

impl RedirectFailure {
    fn sentence(&self) -> String {
        match self {
            Self::Http(error) => format!("The redirect service was not reached: {error}."),
            Self::Status(status) => format!(
                "The redirect service answered with status {status}: check its address in the settings (redirect.<vendor>.url)."
            ),
            Self::Broken(status) => {
                format!("The redirect service is out of order (status {status}); it is tried again later.")
            }
            Self::NotTheProtocol(start) => format!(
                "The redirect service answered with something else than its protocol (\"{start}\"): it is out of order, \
                 or the address in the settings (redirect.<vendor>.url) is not that of its interface."
            ),
            Self::HalfAnswer(why) => {
                format!("The redirect service sent only a part of an answer ({why}); it is tried again later.")
            }
            Self::OutOfOrder(text) => {
                format!("The redirect service cannot do it now ({text}); it is tried again later.")
            }
            Self::TokenExpired => "The token for the redirect service has expired; a new one is fetched.".to_owned(),
            Self::TokenRefused => {
                "The redirect service does not take the token it has just given; it is tried again later.".to_owned()
            }
            Self::OtherTime { ahead } => format!(
                "The clock of the redirect service differs from ours by {ahead} s; the call is sent again with its time. \
                 Check the time of this machine (NTP)."
            ),
            Self::TimeRefused { ahead } => format!(
                "The redirect service does not take its own time either, which differs from ours by {ahead} s; it is \
                 tried again later. Check the time of this machine (NTP)."
            ),
            Self::Unproven(what) => format!(
                "The answer does not prove that it comes from the redirect service ({what} fits neither our access key \
                 nor our call), so nothing of it is used; it is tried again later. Check the address in the settings \
                 (redirect.<vendor>.url) and what stands in between, such as a proxy."
            ),
            Self::LinkElsewhere(origin) => format!(
                "The redirect service leads to another host ({origin}), which was not asked: signed calls go only to the \
                 address in the settings (redirect.<vendor>.url). Correct it if the service has moved."
            ),
            Self::Stopping => "The gateway is stopping; it goes on after the next start.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_for_an_answer_makes_no_page_of_a_sentence() {
        let sentence = RedirectResult::Unknown("\u{fffd}".repeat(5_000)).sentence();
        assert!(sentence.chars().count() < 400 && sentence.ends_with(" ...\"."), "{sentence}");
        assert_eq!(
            RedirectResult::Unknown("hm".into()).sentence(),
            "The redirect service answered something unknown: \"hm\"."
        );
    }
}
