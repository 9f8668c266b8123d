//! Decides which requests may read or upload a phone's file, as a pure function. A personal file contains a user's PBX
//! password. It is delivered only if the request proves that it comes from the phone, or if it carries data sent
//! through the redirect service while the phone's bootstrap window is open. Rejections reveal nothing: with a token an
//! empty 404, without a token the same 401 for every MAC-shaped name.

use std::time::Duration;

use gangway_base::{labelled_enum, mac::Mac};
use jiff::Timestamp;

use super::{
    facet::Wanted,
    record::{Account, BootstrapWindow, FirstContact, Phone, WindowBinding, is_ahead},
    request_evidence::{Authorization, Certificate, Evidence, Proof, Token},
};
use crate::base::i18n::translated;

/// A bootstrap window closes at the latest this long after its first delivery.
pub const AFTER_FIRST_DELIVERY: Duration = Duration::from_secs(15 * 60);

/// A phone whose accounts have been orphaned for this long no longer gets the personal stage.
pub const ORPHAN_GRACE: Duration = Duration::from_secs(7 * 86_400);

/// The kind of file that was requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedFile {
    /// The file of one phone.
    Personal(Mac),
    /// A file for all phones of a model. It contains no secrets.
    Common,
    /// `.boot` and all other names.
    Other,
}

/// The operation of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// GET of the whole file.
    Fetch,
    /// GET of a part, or HEAD: never counts as a delivery.
    Peek,
    /// PUT.
    Upload,
}

/// The settings that apply to the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// `provisioning_scheme` is `https`: requests over plain HTTP get only the open stage.
    pub https_only: bool,
    /// The vendor's phones answer a challenge with their password in plain text (Basic).
    pub clear_passwords: bool,
    /// `require_certificate`: only a factory certificate proves this phone.
    pub require_certificate: bool,
    /// An administrator allowed this MAC to fetch without a token, from anywhere or from one network. Only inside the
    /// bootstrap window.
    pub first_contact: FirstContact,
}

/// A request to decide about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessRequest<'a> {
    /// The evidence of who sends it.
    pub evidence: Evidence<'a>,
    /// The requested file.
    pub file: RequestedFile,
    /// The operation.
    pub purpose: Purpose,
    /// The settings.
    pub policy: Policy,
}

/// The response to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessDecision {
    /// The personal stage.
    Personal(Proof),
    /// The open stage.
    Open,
    /// The open stage with the https URL, the same for every name. A challenge would make the phone send its password
    /// in plain text.
    ToTls,
    /// The upload is accepted.
    Store(Proof),
    /// 401 with exactly one challenge.
    Challenge {
        /// Whether only the nonce was rejected; the credentials may be right.
        stale: bool,
    },
    /// An empty 404.
    NotFound,
    /// 503 with Retry-After.
    RetryLater,
}

/// The decision, its reason, and the changes it causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionResult {
    /// The response.
    pub access: AccessDecision,
    /// The rule that decided.
    pub reason: Reason,
    /// The request is the first in the bootstrap window that proves the phone's own credentials. It closes the window.
    pub closes_window: bool,
    /// The response is the first delivery of the bootstrap window. Its source must be on disk before the body is sent.
    pub binds_window: bool,
    /// The request is the first that proves the new credentials after a change. The former ones become invalid.
    pub ends_overlap: bool,
    /// The credentials were wrong. Counts against the source.
    pub strike: bool,
}

labelled_enum! {
    /// The rule that decided: the label in metrics, and the sentence in the phone's timeline.
    Reason {
        /// The personal stage was delivered.
        Admitted = "admitted";
        /// A common file.
        CommonFile = "common-file";
        /// The phone is released: it gets the file with all accounts off.
        Released = "released";
        /// Devices has not sent the configuration yet.
        BeforeConfig = "before-config";
        /// Plain HTTP although TLS is required.
        Insecure = "insecure";
        /// All users have been missing from the PBX for a week.
        Orphaned = "orphaned";
        /// No phone of this instance has the token.
        UnknownToken = "unknown-token";
        /// The token belongs to a phone with another MAC.
        WrongMac = "wrong-mac";
        /// The file name is not served.
        ForbiddenName = "forbidden-name";
        /// There is no such phone (request without token).
        UnknownPhone = "unknown-phone";
        /// An administrator blocked the phone.
        Blocked = "blocked";
        /// The phone is removed, or released and already switched off.
        Gone = "gone";
        /// No credentials yet. Every exchange with Digest or Basic starts like this.
        MissingCredentials = "missing-credentials";
        /// The bootstrap window is closed.
        WindowClosed = "window-closed";
        /// The bootstrap window is bound to another source.
        OtherSource = "other-source";
        /// The nonce is too old.
        StaleNonce = "stale-nonce";
        /// The credentials were checked and are wrong.
        WrongCredentials = "wrong-credentials";
        /// The source is locked out.
        LockedOut = "locked-out";
        /// The source tried many MACs in turn.
        SourceFrozen = "source-frozen";
        /// The settings require a factory certificate.
        CertificateRequired = "certificate-required";
        /// As [`Self::CertificateRequired`], and the certificate has expired or is not valid yet.
        CertificateExpired = "certificate-expired";
        /// As [`Self::CertificateRequired`], and the issuer of the certificate is unknown.
        CertificateUnknownIssuer = "certificate-unknown-issuer";
        /// As [`Self::CertificateRequired`], and the certificate has no MAC.
        CertificateNoMac = "certificate-no-mac";
        /// Only the MAC identifies the phone's model, or the phone is another vendor's.
        UnknownModel = "unknown-model";
        /// The certificate is valid but belongs to another phone.
        OtherCertificate = "other-certificate";
    }
}

translated!(Reason, "rule.");

impl Reason {
    /// Whether an administrator should investigate: a client used credentials of another phone.
    #[must_use]
    pub fn is_alarm(self) -> bool {
        matches!(self, Self::OtherSource | Self::OtherCertificate | Self::WrongMac)
    }
}

/// Decides about one request. `phone` is the phone of the token or, without a token, the phone of the file name; `None`
/// when this instance has no such phone.
#[must_use]
pub fn admit(ask: &AccessRequest<'_>, phone: Option<&Phone>, now: Timestamp) -> AdmissionResult {
    if ask.evidence.token == Token::Unknown || (ask.evidence.token == Token::Known && phone.is_none()) {
        return plain(AccessDecision::NotFound, Reason::UnknownToken);
    }
    match ask.file {
        RequestedFile::Other => plain(AccessDecision::NotFound, Reason::ForbiddenName),
        RequestedFile::Common => common(ask, phone),
        RequestedFile::Personal(mac) => personal(ask, phone, mac, now),
    }
}

/// Whether the bootstrap window admits requests: opened, not closed, not expired, and at most 15 minutes past its first
/// delivery.
#[must_use]
pub fn window_admits(window: &BootstrapWindow, now: Timestamp) -> bool {
    let is_fresh = |first| !passed(first, AFTER_FIRST_DELIVERY, now) && !is_ahead(first, now);
    window.is_open(now) && window.first_delivery.is_none_or(is_fresh)
}

/// Whether the file with all accounts off has been delivered. After that a released phone gets nothing.
#[must_use]
pub fn is_switched_off(phone: &Phone) -> bool {
    phone.wanted == Wanted::Released
        && phone.delivery.as_ref().is_some_and(|delivery| delivery.revision >= phone.revision)
}

/// Whether every account has been orphaned longer than [`ORPHAN_PATIENCE`].
#[must_use]
pub fn is_orphaned(phone: &Phone, now: Timestamp) -> bool {
    !phone.accounts.is_empty() && phone.accounts.iter().all(|account| is_lost(account, now))
}

/// Whether the account has been orphaned longer than [`ORPHAN_PATIENCE`].
#[must_use]
pub fn is_lost(account: &Account, now: Timestamp) -> bool {
    account.orphaned.is_some_and(|orphaned| passed(orphaned.since, ORPHAN_GRACE, now))
}

fn passed(since: Timestamp, patience: Duration, now: Timestamp) -> bool {
    since.saturating_add(patience).is_ok_and(|end| now >= end)
}

fn plain(access: AccessDecision, reason: Reason) -> AdmissionResult {
    AdmissionResult { access, reason, closes_window: false, binds_window: false, ends_overlap: false, strike: false }
}

/// Why this phone gets nothing even with valid credentials.
fn shut(phone: &Phone) -> Option<Reason> {
    match phone.wanted {
        Wanted::Blocked => Some(Reason::Blocked),
        Wanted::Removed => Some(Reason::Gone),
        Wanted::Released if is_switched_off(phone) => Some(Reason::Gone),
        Wanted::Released | Wanted::Active => None,
    }
}

fn common(ask: &AccessRequest<'_>, phone: Option<&Phone>) -> AdmissionResult {
    if ask.purpose == Purpose::Upload {
        return plain(AccessDecision::NotFound, Reason::ForbiddenName);
    }
    // Without a token the phone is unknown. The file contains nothing specific to a phone.
    match phone.filter(|_| ask.evidence.token == Token::Known).and_then(shut) {
        Some(reason) => plain(AccessDecision::NotFound, reason),
        None => plain(AccessDecision::Open, Reason::CommonFile),
    }
}

fn personal(ask: &AccessRequest<'_>, phone: Option<&Phone>, mac: Mac, now: Timestamp) -> AdmissionResult {
    let Some(phone) = phone else {
        return refuse(ask, Reason::UnknownPhone);
    };
    if phone.mac != mac {
        return plain(AccessDecision::NotFound, Reason::WrongMac);
    }
    if let Some(reason) = shut(phone) {
        return refuse(ask, reason);
    }
    let proof = match prove(ask, phone, now) {
        Ok(proof) => proof,
        Err(reason) => return unproven(ask, reason),
    };
    let mut decision = match ask.purpose {
        Purpose::Upload if ask.policy.https_only && !ask.evidence.encrypted => challenge(ask, Reason::Insecure),
        Purpose::Upload => plain(AccessDecision::Store(proof), Reason::Admitted),
        Purpose::Fetch | Purpose::Peek => stage(ask, phone, proof, now),
    };
    decision.closes_window = proof == Proof::Own && phone.window.is_open(now);
    decision.ends_overlap = ask.evidence.authorization == Authorization::Own && phone.former.is_some();
    decision.binds_window = ask.purpose == Purpose::Fetch
        && proof != Proof::Own
        && matches!(decision.access, AccessDecision::Personal(_))
        && phone.window.first_delivery.is_none()
        && phone.window.is_open(now);
    decision
}

/// The response for a phone that has proved its identity.
fn stage(ask: &AccessRequest<'_>, phone: &Phone, proof: Proof, now: Timestamp) -> AdmissionResult {
    if ask.policy.https_only && !ask.evidence.encrypted {
        return plain(AccessDecision::Open, Reason::Insecure);
    }
    if phone.wanted == Wanted::Released {
        return plain(AccessDecision::Personal(proof), Reason::Released);
    }
    if is_orphaned(phone, now) {
        return plain(AccessDecision::Open, Reason::Orphaned);
    }
    // The passwords of a phone that never fetched its file are dropped when its bootstrap window ends. A file without
    // any password would only break the phone. If a base also serves other users, such accounts are written as off.
    let has_passwords = phone.accounts.iter().any(|account| account.is_served() && !is_lost(account, now));
    if phone.device_config.received.is_none() || !has_passwords {
        // A new phone gives up after three quick attempts, so it gets a file that makes it retry. A phone with a
        // working configuration keeps it.
        let access = if phone.delivery.is_none() { AccessDecision::Open } else { AccessDecision::RetryLater };
        return plain(access, Reason::BeforeConfig);
    }
    plain(AccessDecision::Personal(proof), Reason::Admitted)
}

/// How the request proves that the phone sent it, or why it does not.
fn prove(ask: &AccessRequest<'_>, phone: &Phone, now: Timestamp) -> Result<Proof, Reason> {
    let evidence = &ask.evidence;
    let certified = match evidence.certificate {
        Certificate::Trusted { mac, vendor } => Some(mac == phone.mac && vendor == phone.vendor),
        Certificate::None | Certificate::Expired | Certificate::UnknownIssuer | Certificate::NoMac => None,
    };
    if ask.policy.require_certificate && certified != Some(true) {
        return Err(match evidence.certificate {
            Certificate::None => Reason::CertificateRequired,
            Certificate::Expired => Reason::CertificateExpired,
            Certificate::UnknownIssuer => Reason::CertificateUnknownIssuer,
            Certificate::NoMac => Reason::CertificateNoMac,
            Certificate::Trusted { .. } => Reason::OtherCertificate,
        });
    }
    if matches!(evidence.authorization, Authorization::Own | Authorization::Former) {
        return Ok(Proof::Own);
    }
    match certified {
        Some(true) => return Ok(Proof::Certificate),
        // The certificate is that of another phone. Bootstrap data cannot override that.
        Some(false) => return Err(Reason::OtherCertificate),
        None => {}
    }
    let bootstrap = bootstrap(ask).ok_or(match evidence.authorization {
        Authorization::Wrong => Reason::WrongCredentials,
        Authorization::Stale | Authorization::Used => Reason::StaleNonce,
        _ if would_pass_unfrozen(ask) => Reason::SourceFrozen,
        Authorization::Unchecked => Reason::LockedOut,
        Authorization::Missing | Authorization::Own | Authorization::Former | Authorization::Bootstrap => {
            Reason::MissingCredentials
        }
    })?;
    if !window_admits(&phone.window, now) {
        return Err(match evidence.authorization {
            Authorization::Wrong => Reason::WrongCredentials,
            Authorization::Stale | Authorization::Used => Reason::StaleNonce,
            _ => Reason::WindowClosed,
        });
    }
    let elsewhere = phone
        .window
        .bound
        .as_ref()
        .is_some_and(|bound| bound.source != evidence.source || bound.family != evidence.family);
    if elsewhere { Err(Reason::OtherSource) } else { Ok(bootstrap) }
}

/// The bootstrap proof in the request, if any.
fn bootstrap(ask: &AccessRequest<'_>) -> Option<Proof> {
    if ask.evidence.token == Token::Known {
        return Some(Proof::Token);
    }
    if ask.evidence.frozen {
        return None;
    }
    if ask.evidence.authorization == Authorization::Bootstrap {
        return Some(Proof::Bootstrap);
    }
    let clean = matches!(ask.evidence.authorization, Authorization::Missing);
    match ask.policy.first_contact {
        FirstContact::Allowed(network) if clean && network.is_none_or(|net| net.contains(&ask.evidence.source)) => {
            Some(Proof::Allowed)
        }
        FirstContact::Allowed(_) | FirstContact::Refused => None,
    }
}

/// Whether the freeze of the source is the only reason for the rejection, as far as the request was checked.
fn would_pass_unfrozen(ask: &AccessRequest<'_>) -> bool {
    ask.evidence.frozen
        && (ask.policy.first_contact != FirstContact::Refused
            || matches!(ask.evidence.authorization, Authorization::Bootstrap | Authorization::Unchecked))
}

/// The response to a known phone's request without proof.
fn unproven(ask: &AccessRequest<'_>, reason: Reason) -> AdmissionResult {
    let points_to_tls = ask.policy.https_only
        && !ask.evidence.encrypted
        && ask.evidence.token == Token::Known
        && ask.purpose != Purpose::Upload
        && !reason.is_alarm();
    if points_to_tls { plain(AccessDecision::Open, Reason::Insecure) } else { challenge(ask, reason) }
}

/// Rejects the request. With a token, the response is as if the token did not exist; without one, it is the same as for
/// every MAC-shaped name.
fn refuse(ask: &AccessRequest<'_>, reason: Reason) -> AdmissionResult {
    match ask.evidence.token {
        Token::None => challenge(ask, reason),
        Token::Known | Token::Unknown => plain(AccessDecision::NotFound, reason),
    }
}

fn challenge(ask: &AccessRequest<'_>, reason: Reason) -> AdmissionResult {
    let stale = matches!(ask.evidence.authorization, Authorization::Stale | Authorization::Used);
    let strike = ask.evidence.authorization == Authorization::Wrong;
    let would_disclose = ask.policy.clear_passwords && ask.policy.https_only && !ask.evidence.encrypted;
    let access = match ask.purpose {
        _ if !would_disclose => AccessDecision::Challenge { stale },
        Purpose::Fetch | Purpose::Peek => AccessDecision::ToTls,
        Purpose::Upload => AccessDecision::NotFound,
    };
    AdmissionResult { strike, ..plain(access, reason) }
}

/// Binds the bootstrap window to the source of its first delivery. Runs on the current record when the change is
/// written, so of two concurrent sources one is rejected. A repeat from the bound source changes nothing.
pub fn bind(phone: &mut Phone, source: std::net::IpAddr, family: &str, now: Timestamp) -> Result<(), Reason> {
    if let Some(reason) = shut(phone) {
        return Err(reason);
    }
    if !window_admits(&phone.window, now) {
        return Err(Reason::WindowClosed);
    }
    match &phone.window.bound {
        Some(bound) if bound.source == source && bound.family == family => Ok(()),
        Some(_) => Err(Reason::OtherSource),
        None => {
            phone.window.first_delivery = Some(now);
            phone.window.bound = Some(WindowBinding { source, family: family.to_owned() });
            Ok(())
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
