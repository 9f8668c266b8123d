//! The results of operations, the same for all vendors, each with a sentence for administrators.

use std::time::Duration;

use gangway_base::secret::Secret;

use crate::net::http::HttpError;

/// How a phone is redirected to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryUsed {
    /// By the phone's own URL.
    UniqueUrl,
    /// By the server entry of this name: all phones of the account share its URL.
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
    /// No serial number is known.
    Missing,
    /// The service does not accept the serial number.
    Refused,
}

/// The details of a success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Set by a registration.
    pub entry: Option<EntryUsed>,
    /// The server entry exists under this name instead of the requested one, because that name belongs to another
    /// customer of the vendor. Use this name from now on.
    pub renamed: Option<String>,
    /// What the phone asks its user for before it follows the redirection.
    pub confirmation: Option<Confirmation>,
}

/// A failure between us and the service that says nothing about the phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectFailure {
    /// There was no answer.
    Http(HttpError),
    /// The status is neither success nor a known rejection.
    Status(u16),
    /// The service reports that it is out of order (5xx).
    Broken(u16),
    /// A web page or another text instead of the protocol (its beginning, masked).
    NotTheProtocol(String),
    /// The answer is truncated or not well-formed.
    HalfAnswer(String),
    /// The service reports in its own words that it is out of order or busy with the same request (masked).
    OutOfOrder(String),
    /// The cached token is no longer valid; a new one is fetched.
    TokenExpired,
    /// The service does not accept the token it has just issued.
    TokenRefused,
    /// The service rejected our time and proved its own. The call is sent again with the service's time.
    OtherTime {
        /// How far its clock is ahead of ours, in seconds.
        ahead: i64,
    },
    /// The service rejected its own time too.
    TimeRefused {
        /// How far its clock is ahead of ours, in seconds.
        ahead: i64,
    },
    /// An answer without proof that it comes from the service; names what was not proven.
    Unproven(&'static str),
    /// A link in an answer leads to another host (its origin); it was not followed.
    LinkElsewhere(String),
    /// The gateway stops: the call was not sent, or the answer was not waited for.
    Stopping,
}

/// The result of an operation or of one of its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectResult {
    /// Success.
    Ok(Done),
    /// The phone belongs to our account already.
    AlreadyMine,
    /// The phone belongs to our account but is sent to a wrong URL (which one, masked).
    SentElsewhere(String),
    /// The phone belongs to another account; nothing was changed.
    OwnedByOther,
    /// The service does not accept this MAC as one of its phones.
    InvalidMac,
    /// The service does not accept our URL.
    InvalidUrl(String),
    /// The service does not accept our server name or does not know it.
    InvalidServerName(String),
    /// The server name exists already: usually from an earlier start (`foreign` false), else from another customer.
    ServerNameTaken {
        /// The name.
        name: String,
        /// True if the name is known to belong to another customer.
        foreign: bool,
    },
    /// The phone (or the requested object) is not registered there.
    NotFound,
    /// The service requires the serial number beside the MAC, or a different one.
    NeedsSerial(SerialTrouble),
    /// The account is not permitted to do this.
    NotPermitted(String),
    /// User or password is wrong.
    AuthFailed,
    /// There were too many calls.
    RateLimited {
        /// The pause that the service asked for.
        retry_after: Option<Duration>,
    },
    /// A failure between us and the service.
    Transport(RedirectFailure),
    /// An unknown answer: its text, masked.
    Unknown(String),
    /// The account is incomplete; names what is missing.
    NotConfigured(String),
}

/// Maximum length of a service's text in a sentence; the history contains all of it.
const WORDS: usize = 300;

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(WORDS).collect();
    if short.len() < text.len() {
        short.push_str(" ...");
    }
    short
}

impl RedirectResult {
    /// Success without details.
    pub(super) fn done() -> Self {
        Self::Ok(Done::default())
    }

    /// A sentence that an administrator can act on.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Ok(done) => done.sentence(),
            Self::AlreadyMine => "The phone is registered to our account at the redirect service.".to_owned(),
            Self::SentElsewhere(found) => format!(
                "The phone is registered to our account at the redirect service but sent to another place ({}): \
                 somebody changed it there.",
                shortened(found)
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
                "The redirect service does not accept the provisioning URL ({}): check public_url and phone_url.",
                shortened(text)
            ),
            Self::InvalidServerName(text) => format!(
                "The redirect service does not accept the server name ({}): set another one, at most 24 characters \
                 out of A-Z a-z 0-9 - _ . and blank.",
                shortened(text)
            ),
            Self::ServerNameTaken { name, foreign: false } => {
                format!("The server entry '{}' exists already at the redirect service.", shortened(name))
            }
            Self::ServerNameTaken { name, foreign: true } => format!(
                "The server name '{}' belongs to another customer of the vendor: set another server name for this \
                 redirect service.",
                shortened(name)
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
            Self::NotConfigured(what) => format!("The redirect service is not configured: {}.", shortened(what)),
        }
    }

    /// Whether a later retry may succeed without a change by an administrator.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. } => true,
            Self::Transport(trouble) => match trouble {
                RedirectFailure::Http(error) => error.is_retryable(),
                RedirectFailure::Status(_) | RedirectFailure::LinkElsewhere(_) => false,
                // A maintenance page cannot be distinguished from other pages.
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

    /// Whether the cached data of the account may have caused the failure; it is then cleared before the next
    /// operation. A result about the phone does not affect the cache.
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

    /// The label in metrics and in the filter of the history.
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

    /// Applies `mask` to every text from the service.
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
                "The redirect service answered with something else than its protocol (\"{}\"): it is out of order, \
                 or the address in the settings (redirect.<vendor>.url) is not that of its interface.",
                shortened(start)
            ),
            Self::HalfAnswer(why) => format!(
                "The redirect service sent only a part of an answer ({}); it is tried again later.",
                shortened(why)
            ),
            Self::OutOfOrder(text) => {
                format!("The redirect service cannot do it now ({}); it is tried again later.", shortened(text))
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
                "The redirect service leads to another host ({}), which was not asked: signed calls go only to the \
                 address in the settings (redirect.<vendor>.url). Correct it if the service has moved.",
                shortened(origin)
            ),
            Self::Stopping => "The gateway is stopping; it goes on after the next start.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::i18n::message_of;

    #[test]
    fn a_page_for_an_answer_makes_no_page_of_a_sentence() {
        let sentence = RedirectResult::Unknown("\u{fffd}".repeat(5_000)).sentence();
        assert!(sentence.chars().count() < 400 && sentence.ends_with(" ...\"."), "{sentence}");
        assert_eq!(
            RedirectResult::Unknown("hm".into()).sentence(),
            "The redirect service answered something unknown: \"hm\"."
        );
    }

    /// A result of each kind, with this text of the service.
    fn one_of_each(text: &str) -> impl Iterator<Item = RedirectResult> {
        let text = || text.to_owned();
        let done = |entry, renamed: Option<&str>, confirmation| {
            RedirectResult::Ok(Done { entry, renamed: renamed.map(str::to_owned), confirmation })
        };
        let pin = || Some(Confirmation::Pin("1234".into()));
        let results = [
            done(None, None, None),
            done(Some(EntryUsed::UniqueUrl), None, pin()),
            done(Some(EntryUsed::Server { name: "a.b".into() }), Some("c-d"), Some(Confirmation::SerialEnd)),
            RedirectResult::AlreadyMine,
            RedirectResult::SentElsewhere(text()),
            RedirectResult::OwnedByOther,
            RedirectResult::InvalidMac,
            RedirectResult::InvalidUrl(text()),
            RedirectResult::InvalidServerName(text()),
            RedirectResult::ServerNameTaken { name: text(), foreign: false },
            RedirectResult::ServerNameTaken { name: text(), foreign: true },
            RedirectResult::NotFound,
            RedirectResult::NeedsSerial(SerialTrouble::Missing),
            RedirectResult::NeedsSerial(SerialTrouble::Refused),
            RedirectResult::NotPermitted(text()),
            RedirectResult::AuthFailed,
            RedirectResult::RateLimited { retry_after: Some(std::time::Duration::from_secs(5)) },
            RedirectResult::RateLimited { retry_after: None },
            RedirectResult::Unknown(text()),
            RedirectResult::NotConfigured(text()),
        ];
        let failures = [
            RedirectFailure::Http(HttpError::Closed { target: "https://a.example".into() }),
            RedirectFailure::Status(418),
            RedirectFailure::Broken(503),
            RedirectFailure::NotTheProtocol(text()),
            RedirectFailure::HalfAnswer(text()),
            RedirectFailure::OutOfOrder(text()),
            RedirectFailure::TokenExpired,
            RedirectFailure::TokenRefused,
            RedirectFailure::OtherTime { ahead: -7 },
            RedirectFailure::TimeRefused { ahead: 7 },
            RedirectFailure::Unproven("the MAC"),
            RedirectFailure::LinkElsewhere(text()),
            RedirectFailure::Stopping,
        ];
        results.into_iter().chain(failures.map(RedirectResult::Transport))
    }

    #[test]
    fn every_sentence_has_a_translation() {
        for result in one_of_each("some text (of the service)") {
            let message = message_of(&result.sentence());
            assert!(message.stored().is_some(), "{}", result.sentence());
            assert_eq!(message.english(), result.sentence());
        }
    }

    #[test]
    fn no_text_of_a_service_makes_a_sentence_long() {
        for result in one_of_each(&"\u{e4}".repeat(10_000)) {
            assert!(result.sentence().len() < 2_000, "{}", result.label());
        }
    }
}
