//! Derives the answer to Users from the record alone.

use crate::phone::{
    facet::{DevicesState, RedirectState},
    record::Phone,
};

/// The status of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestStatus {
    /// Provisioned, as far as it depends on the gateway.
    Ok,
    /// An administrator or user must act; the sentence says what to do.
    Failed(String),
    /// Not decided yet; names what it waits for, in case the time runs out.
    Open(String),
}

/// The status according to the current record.
#[must_use]
pub fn status_of(phone: &Phone) -> RequestStatus {
    let reason = |error: &Option<String>, otherwise: &str| error.clone().unwrap_or_else(|| otherwise.to_owned());
    match phone.devices.state {
        DevicesState::NotInDomain => RequestStatus::Failed(reason(
            &phone.devices.error,
            "Devices does not accept this phone: provision it again to get a new code.",
        )),
        DevicesState::Received => match phone.redirect.state {
            RedirectState::Redirected | RedirectState::NotConfigured => RequestStatus::Ok,
            // The service is away or asks to wait: the phone counts as provisioned.
            RedirectState::Pending if phone.redirect.error.is_some() && phone.redirect.next_attempt.is_some() => {
                RequestStatus::Ok
            }
            RedirectState::ForeignOwner | RedirectState::Refused => {
                RequestStatus::Failed(reason(&phone.redirect.error, "The redirect service refused the phone."))
            }
            RedirectState::Pending => {
                RequestStatus::Open(reason(&phone.redirect.error, "The redirect service has not answered yet"))
            }
        },
        DevicesState::Waiting | DevicesState::Connecting | DevicesState::Lost => {
            RequestStatus::Open(reason(&phone.devices.error, "Devices has not sent the configuration yet"))
        }
    }
}

/// Whether the record already says that the attempt is retried later; then a repeated request need not wait.
#[must_use]
pub fn is_retrying(phone: &Phone) -> bool {
    match phone.devices.state {
        DevicesState::Received => phone.redirect.state == RedirectState::Pending && phone.redirect.error.is_some(),
        _ => phone.devices.error.is_some(),
    }
}

/// The sentence when the time runs out.
#[must_use]
pub fn pending_message(waiting_for: &str) -> String {
    format!("{}. The phone is stored and gangway goes on trying.", waiting_for.trim_end_matches('.'))
}
