//! Phones that reject the gateway's certificate never send a request. The gateway knows only the addresses from which
//! it was rejected, so this module links the failed handshakes to waiting phones at the same address.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    ServiceDependencies,
    cause::Cause,
    diagnosis_facts::{DiagnosisInputs, TlsRejection},
};
use crate::{
    net::handshake_failures::FailedHandshake,
    phone::{instance::InstanceId, record::Phone, request_evidence::network},
};

/// Older rejections are not relevant.
const MEMORY: SignedDuration = SignedDuration::from_hours(24);
/// Maximum number of addresses; the newest rejection of each is kept.
const MOST: usize = 64;

/// Returns the rejections of the last day that may concern an instance, newest first. Handshakes for a different host
/// name are excluded.
#[must_use]
pub fn refusals(deps: &ServiceDependencies, instance: InstanceId) -> Vec<TlsRejection> {
    let since = deps.clock.now().saturating_sub(MEMORY).unwrap_or(Timestamp::MIN);
    newest(deps.failures.all(), &(deps.urls)(instance).hosts(), since)
}

fn newest(all: Vec<FailedHandshake>, hosts: &BTreeSet<String>, since: Timestamp) -> Vec<TlsRejection> {
    let is_ours = |name: &Option<String>| match name {
        Some(name) => hosts.is_empty() || hosts.contains(&name.to_ascii_lowercase()),
        None => true,
    };
    let mut found: Vec<TlsRejection> = Vec::new();
    for one in all.into_iter().rev() {
        let known = found.iter().any(|refusal| refusal.address == one.peer);
        if one.refuses_certificate() && one.at >= since && !known && is_ours(&one.server_name) && found.len() < MOST {
            found.push(TlsRejection { address: one.peer, at: one.at, alert: one.alert.unwrap_or("unknown") });
        }
    }
    found
}

/// Returns the rejection that may prevent a waiting phone from sending a request, and whether the address is the
/// phone's. A phone whose address is unknown may be the cause of any rejection.
#[must_use]
pub fn of<'a>(phone: &Phone, facts: &DiagnosisInputs<'a>, waits_since: Timestamp) -> Option<(&'a TlsRejection, bool)> {
    let recent = || facts.instance_status.refusals.iter().filter(|refusal| refusal.at >= waits_since);
    let known = addresses(phone, facts);
    if known.is_empty() {
        return recent().next().map(|refusal| (refusal, false));
    }
    recent().find(|refusal| known.contains(&network(refusal.address))).map(|refusal| (refusal, true))
}

/// Whether a rejection may be the reason for this cause.
#[must_use]
pub fn may_explain(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::RedirectedNotAsked
            | Cause::RedirectNotConfigured
            | Cause::AllowedNotAsked
            | Cause::Overdue
            | Cause::CertificateRefused
            | Cause::CertificatePerhapsRefused
    )
}

/// Returns the known addresses of the phone.
fn addresses(phone: &Phone, facts: &DiagnosisInputs<'_>) -> Vec<IpAddr> {
    let parse =
        |text: &str| text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip())).ok();
    let last_address = facts.request.and_then(|last| parse(&last.address));
    let bound = phone.window.bound.as_ref().map(|bound| bound.source);
    let registered = phone.accounts.iter().filter_map(|account| parse(account.registered_address.as_deref()?));
    last_address.into_iter().chain(bound).chain(registered).map(|address| network(address.to_canonical())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{service::diagnosis_facts::InstanceStatus, store::RequestFacts};

    fn failed(peer: &str, second: i64, name: Option<&str>) -> FailedHandshake {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA);
        let error = std::io::Error::new(std::io::ErrorKind::InvalidData, alert);
        let at = Timestamp::from_second(second).unwrap();
        let mut failed = FailedHandshake::new(at, peer.parse().unwrap(), b"", &error);
        failed.server_name = name.map(str::to_owned);
        failed
    }

    #[test]
    fn the_newest_of_each_address_counts_unless_it_asked_for_another_host() {
        let all = vec![
            failed("192.0.2.1", 1, None),
            failed("192.0.2.1", 10, Some("gw.example.com")),
            failed("192.0.2.2", 11, Some("other.example.com")),
            failed("192.0.2.3", 2, None),
        ];
        let found = newest(all, &BTreeSet::from(["gw.example.com".to_owned()]), Timestamp::from_second(5).unwrap());
        let at = Timestamp::from_second(10).unwrap();
        assert_eq!(found, [TlsRejection { address: "192.0.2.1".parse().unwrap(), at, alert: "unknown_ca" }]);
    }

    #[test]
    fn a_phone_seen_elsewhere_is_not_meant() {
        let mut phone = Phone::sample();
        let refusal =
            |address: &str| TlsRejection { address: address.parse().unwrap(), at: phone.created, alert: "unknown_ca" };
        let instance_status =
            InstanceStatus { refusals: vec![refusal("192.0.2.1"), refusal("192.0.2.7")], ..InstanceStatus::default() };
        let seen = RequestFacts {
            at: phone.created,
            address: "192.0.2.7".into(),
            user_agent: None,
            file: "x.cfg".into(),
            outcome: "delivered".into(),
            requests: 1,
        };
        let since = phone.created;
        let facts = |request| DiagnosisInputs {
            instance_status: &instance_status,
            request,
            known_model: true,
            manual_url: None,
        };
        assert_eq!(of(&phone, &facts(Some(&seen)), since), Some((&instance_status.refusals[1], true)));
        assert_eq!(
            of(&phone, &facts(None), since),
            Some((&instance_status.refusals[0], false)),
            "nobody knows where it is"
        );
        phone.accounts[0].registered_address = Some("192.0.2.9:5061".to_owned());
        assert_eq!(of(&phone, &facts(None), since), None);
        let later = since + SignedDuration::from_secs(1);
        assert_eq!(of(&phone, &facts(Some(&seen)), later), None, "it began to wait after that");
    }
}
