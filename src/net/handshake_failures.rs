//! Failed TLS handshakes at the gateway's listeners. A phone that rejects the gateway's certificate never sends a
//! request, so the handshake is the only source of information. The newest failures are kept with client, time, and
//! reason.

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use gangway_base::labelled_enum;
use jiff::Timestamp;
use rustls::{AlertDescription, Error, PeerIncompatible};
use tokio::sync::watch;

use super::client_hello::ClientHello;
use crate::{base::i18n::translated, phone::request_evidence::network};

/// Maximum number of stored failures.
pub const KEPT: usize = 1024;
/// Maximum number per source, so that one source cannot evict the others.
pub const KEPT_OF_ONE: usize = 16;

labelled_enum! {
    /// The category of a failed handshake.
    Failure {
        /// The client does not accept the gateway's certificate.
        CertificateRefused = "certificate-refused";
        /// The client aborted with a different alert.
        Alert = "alert";
        /// The client offers only versions up to TLS 1.1.
        Version = "version";
        /// The client and the gateway have no cipher or key exchange in common.
        Incompatible = "incompatible";
        /// The client presented a certificate and could not prove possession of its key.
        ClientCertificate = "client-certificate";
        /// The client does not speak TLS, most likely plain HTTP.
        NotTls = "not-tls";
        /// The client closed the connection without an alert, as some phones do that do not accept a certificate.
        Closed = "closed";
        /// The client took too long.
        Slow = "slow";
        /// Any other reason.
        Other = "other";
    }
}

translated!(Failure, "handshake.");

/// One failed handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedHandshake {
    /// Time of the failure.
    pub at: Timestamp,
    /// Address of the client; IPv4 in its own form.
    pub peer: IpAddr,
    /// The requested server name.
    pub server_name: Option<String>,
    /// The offered versions, as text for administrators. Empty if the client sent none.
    pub versions: String,
    /// The category of the failure.
    pub failure: Failure,
    /// The client's alert, by its name in RFC 8446.
    pub alert: Option<&'static str>,
    /// The exact reason, from the TLS library.
    pub detail: String,
}

impl FailedHandshake {
    /// Creates a failure from what the gateway observed. `received` contains the first bytes from the client.
    #[must_use]
    pub fn new(at: Timestamp, peer: IpAddr, received: &[u8], error: &io::Error) -> Self {
        let hello = ClientHello::read(received);
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        let (failure, alert) = match tls {
            Some(error) => classify(error, hello.as_ref()),
            None if error.kind() == io::ErrorKind::TimedOut => (Failure::Slow, None),
            None => (Failure::Closed, None),
        };
        Self {
            at,
            peer: peer.to_canonical(),
            versions: hello.as_ref().map(ClientHello::versions_text).unwrap_or_default(),
            server_name: hello.and_then(|hello| hello.server_name),
            failure,
            alert,
            detail: tls.map_or_else(|| error.to_string(), ToString::to_string),
        }
    }

    /// Whether the client reported that it does not accept the gateway's certificate.
    #[must_use]
    pub fn refuses_certificate(&self) -> bool {
        self.failure == Failure::CertificateRefused
    }
}

fn classify(error: &Error, hello: Option<&ClientHello>) -> (Failure, Option<&'static str>) {
    // For TLS 1.0 and 1.1, rustls only reports that there is no common version.
    let is_old = hello.is_some_and(|hello| hello.versions.iter().all(|version| *version < 0x0303));
    match error {
        Error::AlertReceived(alert) => {
            let about_certificate = matches!(
                alert,
                AlertDescription::BadCertificate
                    | AlertDescription::UnsupportedCertificate
                    | AlertDescription::CertificateRevoked
                    | AlertDescription::CertificateExpired
                    | AlertDescription::CertificateUnknown
                    | AlertDescription::UnknownCA
                    | AlertDescription::BadCertificateStatusResponse
            );
            let failure = if about_certificate { Failure::CertificateRefused } else { Failure::Alert };
            (failure, Some(alert_name(*alert)))
        }
        _ if is_old => (Failure::Version, None),
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => (Failure::Version, None),
        Error::PeerIncompatible(_) | Error::NoCertificatesPresented => (Failure::Incompatible, None),
        Error::InvalidCertificate(_) => (Failure::ClientCertificate, None),
        Error::InvalidMessage(_) if hello.is_none() => (Failure::NotTls, None),
        _ => (Failure::Other, None),
    }
}

/// Returns the name of an alert in RFC 8446, 6.
#[must_use]
pub fn alert_name(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CloseNotify => "close_notify",
        AlertDescription::UnexpectedMessage => "unexpected_message",
        AlertDescription::BadRecordMac => "bad_record_mac",
        AlertDescription::RecordOverflow => "record_overflow",
        AlertDescription::HandshakeFailure => "handshake_failure",
        AlertDescription::BadCertificate => "bad_certificate",
        AlertDescription::UnsupportedCertificate => "unsupported_certificate",
        AlertDescription::CertificateRevoked => "certificate_revoked",
        AlertDescription::CertificateExpired => "certificate_expired",
        AlertDescription::CertificateUnknown => "certificate_unknown",
        AlertDescription::IllegalParameter => "illegal_parameter",
        AlertDescription::UnknownCA => "unknown_ca",
        AlertDescription::AccessDenied => "access_denied",
        AlertDescription::DecodeError => "decode_error",
        AlertDescription::DecryptError => "decrypt_error",
        AlertDescription::ProtocolVersion => "protocol_version",
        AlertDescription::InsufficientSecurity => "insufficient_security",
        AlertDescription::InternalError => "internal_error",
        AlertDescription::InappropriateFallback => "inappropriate_fallback",
        AlertDescription::UserCanceled => "user_canceled",
        AlertDescription::MissingExtension => "missing_extension",
        AlertDescription::UnsupportedExtension => "unsupported_extension",
        AlertDescription::BadCertificateStatusResponse => "bad_certificate_status_response",
        AlertDescription::UnknownPSKIdentity => "unknown_psk_identity",
        AlertDescription::CertificateRequired => "certificate_required",
        AlertDescription::NoApplicationProtocol => "no_application_protocol",
        _ => "unknown",
    }
}

/// The newest failed handshakes, bounded. The listeners write to it; the diagnosis reads it.
#[derive(Debug, Default)]
pub struct FailedHandshakes {
    failures: Mutex<VecDeque<FailedHandshake>>,
    refusals: watch::Sender<()>,
}

impl FailedHandshakes {
    fn lock(&self) -> MutexGuard<'_, VecDeque<FailedHandshake>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a failure. Evicts the oldest one of a source that has reached its limit, and the oldest one of all if the
    /// storage is full.
    pub fn note(&self, failed: FailedHandshake) {
        let source = network(failed.peer);
        let mut failures = self.lock();
        let of_it = failures.iter().filter(|old| network(old.peer) == source).count();
        if of_it >= KEPT_OF_ONE
            && let Some(oldest) = failures.iter().position(|old| network(old.peer) == source)
        {
            failures.remove(oldest);
        }
        if failures.len() >= KEPT {
            failures.pop_front();
        }
        let refuses = failed.refuses_certificate();
        failures.push_back(failed);
        drop(failures);
        if refuses {
            self.refusals.send_replace(());
        }
    }

    /// Signals the next rejection of the gateway's certificate.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.refusals.subscribe()
    }

    /// Returns all failures, newest last.
    #[must_use]
    pub fn all(&self) -> Vec<FailedHandshake> {
        self.lock().iter().cloned().collect()
    }

    /// Returns the newest rejection of the gateway's certificate since then that `of` accepts.
    #[must_use]
    pub fn refusal(&self, since: Timestamp, of: impl Fn(&FailedHandshake) -> bool) -> Option<FailedHandshake> {
        let failures = self.lock();
        failures.iter().rev().find(|one| one.refuses_certificate() && one.at >= since && of(one)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(peer: &str, second: i64) -> FailedHandshake {
        let error = io::Error::new(io::ErrorKind::InvalidData, Error::AlertReceived(AlertDescription::UnknownCA));
        FailedHandshake::new(Timestamp::from_second(second).unwrap(), peer.parse().unwrap(), b"", &error)
    }

    #[test]
    fn an_alert_about_the_certificate_is_a_refusal_and_has_its_name() {
        let one = failed("::ffff:192.0.2.1", 1);
        assert_eq!((one.peer.to_string().as_str(), one.alert), ("192.0.2.1", Some("unknown_ca")));
        assert!(one.refuses_certificate());
        let other = io::Error::new(io::ErrorKind::InvalidData, Error::AlertReceived(AlertDescription::InternalError));
        let other = FailedHandshake::new(Timestamp::UNIX_EPOCH, "192.0.2.1".parse().unwrap(), b"", &other);
        assert_eq!((other.failure, other.alert), (Failure::Alert, Some("internal_error")));
    }

    #[test]
    fn one_source_does_not_push_the_others_out() {
        let failures = FailedHandshakes::default();
        failures.note(failed("192.0.2.1", 1));
        for second in 0..5_000 {
            failures.note(failed("192.0.2.2", 2 + second));
        }
        assert_eq!(failures.all().len(), 1 + KEPT_OF_ONE);
        for host in 0..2_000_u32 {
            failures.note(failed(&std::net::Ipv4Addr::from(0x0a00_0000 + host).to_string(), 9_000));
        }
        assert_eq!(failures.all().len(), KEPT);
    }

    #[test]
    fn a_refusal_is_found_by_source_and_time() {
        let failures = FailedHandshakes::default();
        failures.note(failed("192.0.2.1", 10));
        failures.note(failed("192.0.2.1", 20));
        let at = |second| Timestamp::from_second(second).unwrap();
        let of = |address: &'static str| move |one: &FailedHandshake| one.peer.to_string() == address;
        assert_eq!(failures.refusal(at(5), of("192.0.2.1")).unwrap().at, at(20));
        assert_eq!(failures.refusal(at(21), of("192.0.2.1")), None);
        assert_eq!(failures.refusal(at(5), of("192.0.2.9")), None);
    }
}
