//! The diagnosis of a phone as text: where it is stuck and what to do.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    cause::Cause,
    diagnosis,
    diagnosis_facts::DiagnosisInputs,
    tls_rejections,
    types::{ActionInfo, SentenceInfo},
};
use crate::{
    base::i18n::Message,
    base::i18n::message_of,
    phone::{admission::Reason, record::Phone},
};

/// State, reason, next step, and the button for it.
#[derive(Debug, Clone, PartialEq)]
pub struct DiagnosisText {
    /// The name of the cause.
    pub cause: &'static str,
    /// The state.
    pub state: Message,
    /// The reason.
    pub why: Message,
    /// The next step.
    pub next: Message,
    /// The button, if there is one.
    pub action: Option<Button>,
}

impl From<DiagnosisText> for SentenceInfo {
    fn from(text: DiagnosisText) -> Self {
        Self {
            cause: text.cause.to_owned(),
            state: (&text.state).into(),
            why: (&text.why).into(),
            next: (&text.next).into(),
            action: text.action.map(|button| ActionInfo { name: button.name.to_owned(), params: button.params }),
        }
    }
}

/// A button: an action of this api, or a link to a setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Button {
    /// `allow`, `new-code`, ..., or `open-settings`.
    pub name: &'static str,
    /// The parameters of the action.
    pub params: Value,
}

/// Returns the diagnosis of a phone as text.
#[must_use]
pub fn describe(phone: &Phone, facts: &DiagnosisInputs<'_>, now: Timestamp) -> DiagnosisText {
    let cause = diagnosis::cause(phone, facts, now);
    let part = |part: &str| with_params(Message::new(format!("cause.{}.{part}", cause.as_str())), cause, phone, facts);
    let why = match cause {
        Cause::Rejected => match diagnosis::rule(phone) {
            Some(rule) => Message::new(format!("rule.{}", rule.as_str())),
            None => message_of(phone.request.error.as_deref().unwrap_or_default()),
        },
        _ => part("why"),
    };
    DiagnosisText { cause: cause.as_str(), state: part("state"), why, next: part("next"), action: button(cause, phone) }
}

/// Every part gets all parameters of its cause, because each translation may use different ones.
fn with_params(text: Message, cause: Cause, phone: &Phone, facts: &DiagnosisInputs<'_>) -> Message {
    let error = |error: &Option<String>| message_of(error.as_deref().unwrap_or_default()).nested();
    let text = text.with("since", since(cause, phone, facts).to_string()).with("mac", phone.mac.to_string());
    match cause {
        Cause::PbxAway
        | Cause::ServicesNotGranted
        | Cause::DevicesNotAnnounced
        | Cause::DevicesAway
        | Cause::DevicesLost
        | Cause::CodeRefused
        | Cause::RemovedInDevices => text.with("error", error(&phone.devices.error)),
        Cause::RedirectRefused | Cause::RedirectForeignOwner | Cause::RedirectAway | Cause::RemovedWithLeftovers => {
            text.with("error", error(&phone.redirect.error)).with("vendor", phone.vendor.clone())
        }
        Cause::NoOwnUrl => text.with("provider", phone.provider.clone()),
        Cause::RedirectNotConfigured => {
            text.with("url", facts.manual_url.unwrap_or_default()).with("vendor", phone.vendor.clone())
        }
        Cause::CertificateRefused | Cause::CertificatePerhapsRefused => {
            let refusal = tls_rejections::of(phone, facts, Timestamp::MIN).map(|(refusal, _)| refusal);
            text.with("address", refusal.map(|refusal| refusal.address.to_string()).unwrap_or_default())
                .with("alert", refusal.map_or("", |refusal| refusal.alert))
        }
        Cause::Rejected => text.with("rule", diagnosis::rule(phone).map_or("", Reason::as_str)),
        Cause::WindowClosed => text.with("address", facts.request.map(|last| last.address.clone()).unwrap_or_default()),
        Cause::FlagsNotPermitted => {
            let lacking = &facts.instance_status.without_admin;
            let own = format!("gangway-{}", phone.provider);
            text.with("object", if lacking.is_empty() { own } else { lacking.join(", ") })
        }
        Cause::DeviceNotFound | Cause::FlagsDidNotStick | Cause::FlagsPending => {
            let account = diagnosis::worst_flags(phone);
            text.with("user", account.map(|account| account.username.clone()).unwrap_or_default())
                .with("hwid", account.map(|account| account.hwid.clone()).unwrap_or_default())
                .with("error", account.map_or_else(|| "".into(), |account| error(&account.user_object.error)))
        }
        Cause::NotRegistered
        | Cause::NoPbxPassword
        | Cause::RegistrationLost
        | Cause::Registering
        | Cause::UnknownModel => {
            let account = diagnosis::worst_registration(phone);
            text.with("user", account.map(|account| account.username.clone()).unwrap_or_default())
                .with("pbx", account.map(|account| account.dns.clone()).unwrap_or_default())
                .with("model", phone.model.clone().unwrap_or_default())
                .with("vendor", phone.vendor.clone())
        }
        Cause::Orphaned => {
            let users: Vec<&str> = phone.accounts.iter().map(|account| account.username.as_str()).collect();
            text.with("users", users.join(", "))
        }
        _ => text,
    }
}

/// Returns since when the cause exists, as far as the record shows.
fn since(cause: Cause, phone: &Phone, facts: &DiagnosisInputs<'_>) -> Timestamp {
    match cause {
        Cause::PbxAway
        | Cause::ServicesNotGranted
        | Cause::DevicesNotAnnounced
        | Cause::DevicesAway
        | Cause::DevicesLost
        | Cause::NoDescriptor
        | Cause::Connecting
        | Cause::CodeRefused
        | Cause::RemovedInDevices => phone.devices.since,
        Cause::RedirectNotConfigured
        | Cause::RedirectPending
        | Cause::RedirectAway
        | Cause::RedirectRefused
        | Cause::RedirectForeignOwner
        | Cause::RedirectedNotAsked
        | Cause::NoOwnUrl => phone.redirect.since,
        Cause::CertificateRefused | Cause::CertificatePerhapsRefused => {
            tls_rejections::of(phone, facts, Timestamp::MIN).map_or(phone.redirect.since, |(refusal, _)| refusal.at)
        }
        Cause::WindowExpired => phone.window.until.unwrap_or(phone.created),
        Cause::AllowedNotAsked => phone.window.opened.unwrap_or(phone.created),
        Cause::WindowClosed => facts.request.map_or(phone.request.since, |last| last.at),
        Cause::FlagsNotPermitted | Cause::FlagsDidNotStick | Cause::DeviceNotFound | Cause::FlagsPending => {
            diagnosis::worst_flags(phone).map_or(phone.created, |account| account.user_object.since)
        }
        Cause::Working
        | Cause::NotRegistered
        | Cause::NoPbxPassword
        | Cause::RegistrationLost
        | Cause::Registering
        | Cause::UnknownModel => {
            diagnosis::worst_registration(phone).map_or(phone.request.since, |account| account.registration.since)
        }
        Cause::Orphaned => phone
            .accounts
            .iter()
            .filter_map(|account| account.orphaned)
            .map(|orphaned| orphaned.since)
            .max()
            .unwrap_or(phone.created),
        Cause::Removed | Cause::RemovedWithLeftovers => phone.removed_at.unwrap_or(phone.created),
        Cause::ChangePending
        | Cause::AskedBeforeConfig
        | Cause::Rejected
        | Cause::Overdue
        | Cause::Blocked
        | Cause::Releasing
        | Cause::Released
        | Cause::Removing => phone.request.since,
    }
}

fn button(cause: Cause, phone: &Phone) -> Option<Button> {
    let press = |name| Some(Button { name, params: json!({}) });
    match cause {
        Cause::CodeRefused | Cause::RemovedInDevices => press("new-code"),
        Cause::RedirectRefused | Cause::RedirectForeignOwner => press("redirect-again"),
        Cause::RedirectedNotAsked => press("redirect-again"),
        Cause::WindowClosed | Cause::Overdue => press("allow"),
        Cause::Rejected => match diagnosis::rule(phone) {
            Some(
                Reason::CertificateRequired
                | Reason::CertificateExpired
                | Reason::CertificateUnknownIssuer
                | Reason::CertificateNoMac,
            ) => Some(Button { name: "open-settings", params: json!({ "setting": "require_certificate" }) }),
            // Opening the bootstrap window does not help a phone that presents another phone's certificate.
            Some(Reason::OtherCertificate | Reason::WrongMac) => None,
            _ => press("allow"),
        },
        Cause::RedirectNotConfigured => Some(Button {
            name: "open-settings",
            params: json!({ "setting": format!("redirect.{}.user", phone.vendor) }),
        }),
        Cause::NotRegistered
        | Cause::NoPbxPassword
        | Cause::RegistrationLost
        | Cause::Registering
        | Cause::UnknownModel => press("ask-registration"),
        Cause::Orphaned => press("remove"),
        Cause::ChangePending | Cause::Releasing => press("resync"),
        Cause::Blocked | Cause::Released => press("activate"),
        Cause::Working
        | Cause::CertificateRefused
        | Cause::CertificatePerhapsRefused
        | Cause::DevicesLost
        | Cause::FlagsPending
        | Cause::FlagsNotPermitted
        | Cause::FlagsDidNotStick
        | Cause::DeviceNotFound
        | Cause::PbxAway
        | Cause::ServicesNotGranted
        | Cause::DevicesNotAnnounced
        | Cause::DevicesAway
        | Cause::NoDescriptor
        | Cause::Connecting
        | Cause::AskedBeforeConfig
        | Cause::NoOwnUrl
        | Cause::RedirectPending
        | Cause::RedirectAway
        | Cause::AllowedNotAsked
        | Cause::WindowExpired
        | Cause::Removing
        | Cause::Removed
        | Cause::RemovedWithLeftovers => None,
    }
}

#[cfg(test)]
mod tests;
