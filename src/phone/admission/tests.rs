//! One row per rule, and properties that apply to any request.

use gangway_base::secret::Secret;
use proptest::prelude::*;

use super::*;
use crate::phone::{
    facet::{DevicesState, RedirectState},
    record::{Credentials, Delivery, Gone, PhoneId},
};

const DAY: i64 = 86_400;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub(crate) fn mac() -> Mac {
    Mac::from_hex("805ec0123456").unwrap()
}

fn credentials(user: &str, password: &str) -> Credentials {
    Credentials { user: user.to_owned(), password: Secret::new(password), proven: None }
}

/// A phone right after its configuration arrived: bootstrap window open since second 0, nothing delivered.
pub(crate) fn phone() -> Phone {
    let now = at(0);
    let mut phone = Phone::sample_at(now);
    phone.id = PhoneId(7);
    phone.model = None;
    phone.bootstrap = Some(credentials("boot", "boot-password"));
    phone.own.password = Secret::new("OwnPasswordOwnPasswo");
    phone.device_config.received = Some(now);
    phone.revision = 3;
    phone.devices.reach(DevicesState::Received, now);
    phone.redirect.reach(RedirectState::Redirected, now);
    phone
}

pub(crate) fn delivered(phone: &Phone) -> Delivery {
    Delivery { at: at(1), revision: phone.revision, provisioning: 1, etag: "\"a\"".to_owned() }
}

/// A GET of the phone's own file with its token, sent by the phone.
fn ask() -> AccessRequest<'static> {
    AccessRequest {
        evidence: Evidence {
            source: "192.0.2.10".parse().unwrap(),
            encrypted: true,
            family: "yealink T46U",
            token: Token::Known,
            authorization: Authorization::Missing,
            certificate: Certificate::None,
            frozen: false,
        },
        file: RequestedFile::Personal(mac()),
        purpose: Purpose::Fetch,
        policy: Policy::default(),
    }
}

struct Row {
    rule: &'static str,
    set: fn(&mut Phone, &mut AccessRequest<'static>),
    at: i64,
    access: AccessDecision,
    reason: Reason,
}

const CHALLENGE: AccessDecision = AccessDecision::Challenge { stale: false };

fn bound(phone: &mut Phone, source: &str, family: &str) {
    phone.window.first_delivery = Some(at(0));
    phone.window.bound = Some(WindowBinding { source: source.parse().unwrap(), family: family.to_owned() });
}

fn tokenless(ask: &mut AccessRequest<'static>) {
    ask.evidence.token = Token::None;
}

fn basic_in_clear(ask: &mut AccessRequest<'static>) {
    ask.policy.clear_passwords = true;
    ask.policy.https_only = true;
    ask.evidence.encrypted = false;
}

fn of(mac: Mac) -> Certificate<'static> {
    Certificate::Trusted { mac, vendor: "yealink" }
}

fn other_mac() -> Mac {
    Mac::from_hex("805ec0999999").unwrap()
}

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    fn row(rule: &'static str, at: i64, access: AccessDecision, reason: Reason, set: fn(&mut Phone, &mut AccessRequest<'static>)) -> Row {
        Row { rule, set, at, access, reason }
    }
    use AccessDecision::{NotFound, Open, Personal, RetryLater, Store, ToTls};
    vec![
        row("token in an open window", 10, Personal(Proof::Token), Reason::Admitted, |_, _| {}),
        row("the bound source may repeat", 60, Personal(Proof::Token), Reason::Admitted, |p, _| bound(p, "192.0.2.10", "yealink T46U")),
        row("another source is an alarm", 60, CHALLENGE, Reason::OtherSource, |p, _| bound(p, "192.0.2.11", "yealink T46U")),
        row("another family is an alarm", 60, CHALLENGE, Reason::OtherSource, |p, _| bound(p, "192.0.2.10", "yealink T54W")),
        row("own credentials from another source pass", 60, Personal(Proof::Own), Reason::Admitted, |p, a| { bound(p, "192.0.2.11", "x"); a.evidence.authorization = Authorization::Own; }),
        row("15 minutes after the first delivery the window is over", 900, CHALLENGE, Reason::WindowClosed, |p, _| bound(p, "192.0.2.10", "yealink T46U")),
        row("one second before it is not", 899, Personal(Proof::Token), Reason::Admitted, |p, _| bound(p, "192.0.2.10", "yealink T46U")),
        row("7 days and it is over", 7 * DAY, CHALLENGE, Reason::WindowClosed, |_, _| {}),
        row("never opened", 10, CHALLENGE, Reason::WindowClosed, |p, _| p.window = BootstrapWindow::default()),
        row("closed by own credentials", 10, CHALLENGE, Reason::WindowClosed, |p, _| p.window.closed = Some(at(5))),
        row("own credentials after the window", 30 * DAY, Personal(Proof::Own), Reason::Admitted, |_, a| a.evidence.authorization = Authorization::Own),
        row("certificate after the window", 30 * DAY, Personal(Proof::Certificate), Reason::Admitted, |_, a| a.evidence.certificate = of(mac())),
        row("a certificate of another phone outweighs the token", 10, CHALLENGE, Reason::OtherCertificate, |_, a| a.evidence.certificate = of(other_mac())),
        row("but not own credentials", 10, Personal(Proof::Own), Reason::Admitted, |_, a| { a.evidence.certificate = of(other_mac()); a.evidence.authorization = Authorization::Own; }),
        row("a CA vouches for its own vendor only", 10, CHALLENGE, Reason::OtherCertificate, |_, a| a.evidence.certificate = Certificate::Trusted { mac: mac(), vendor: "snom" }),
        row("an odd certificate is answered by the weaker rules", 10, Personal(Proof::Token), Reason::Admitted, |_, a| a.evidence.certificate = Certificate::UnknownIssuer),
        row("an expired one, too", 30 * DAY, CHALLENGE, Reason::WindowClosed, |_, a| a.evidence.certificate = Certificate::Expired),
        row("required certificate: token is not enough", 10, CHALLENGE, Reason::CertificateRequired, |_, a| a.policy.require_certificate = true),
        row("required certificate: own credentials are not enough", 10, CHALLENGE, Reason::CertificateRequired, |_, a| { a.policy.require_certificate = true; a.evidence.authorization = Authorization::Own; }),
        row("required certificate: an expired one", 10, CHALLENGE, Reason::CertificateExpired, |_, a| { a.policy.require_certificate = true; a.evidence.certificate = Certificate::Expired; }),
        row("required certificate: one of nobody we know", 10, CHALLENGE, Reason::CertificateUnknownIssuer, |_, a| { a.policy.require_certificate = true; a.evidence.certificate = Certificate::UnknownIssuer; }),
        row("required certificate: one without a MAC", 10, CHALLENGE, Reason::CertificateNoMac, |_, a| { a.policy.require_certificate = true; a.evidence.certificate = Certificate::NoMac; }),
        row("required certificate: another phone's", 10, CHALLENGE, Reason::OtherCertificate, |_, a| { a.policy.require_certificate = true; a.evidence.certificate = of(other_mac()); }),
        row("required certificate shown", 10, Personal(Proof::Certificate), Reason::Admitted, |_, a| { a.policy.require_certificate = true; a.evidence.certificate = of(mac()); }),
        row("unknown token", 10, NotFound, Reason::UnknownToken, |_, a| a.evidence.token = Token::Unknown),
        row("unknown token, common file", 10, NotFound, Reason::UnknownToken, |_, a| { a.evidence.token = Token::Unknown; a.file = RequestedFile::Common; }),
        row("unknown token, whatever is proven", 10, NotFound, Reason::UnknownToken, |_, a| { a.evidence.token = Token::Unknown; a.evidence.authorization = Authorization::Own; }),
        row("wrong MAC for the token", 10, NotFound, Reason::WrongMac, |_, a| a.file = RequestedFile::Personal(other_mac())),
        row(".boot and the like", 10, NotFound, Reason::ForbiddenName, |_, a| a.file = RequestedFile::Other),
        row(".boot without token", 10, NotFound, Reason::ForbiddenName, |_, a| { tokenless(a); a.file = RequestedFile::Other; }),
        row("common file with token", 30 * DAY, Open, Reason::CommonFile, |_, a| a.file = RequestedFile::Common),
        row("common file without", 30 * DAY, Open, Reason::CommonFile, |_, a| { tokenless(a); a.file = RequestedFile::Common; }),
        row("no upload of a common file", 10, NotFound, Reason::ForbiddenName, |_, a| { a.file = RequestedFile::Common; a.purpose = Purpose::Upload; }),
        row("without token an open window is not enough", 10, CHALLENGE, Reason::MissingCredentials, |_, a| tokenless(a)),
        row("bootstrap credentials in the window", 10, Personal(Proof::Bootstrap), Reason::Admitted, |_, a| { tokenless(a); a.evidence.authorization = Authorization::Bootstrap; }),
        row("bootstrap credentials after it", 8 * DAY, CHALLENGE, Reason::WindowClosed, |_, a| { tokenless(a); a.evidence.authorization = Authorization::Bootstrap; }),
        row("own credentials without token", 8 * DAY, Personal(Proof::Own), Reason::Admitted, |_, a| { tokenless(a); a.evidence.authorization = Authorization::Own; }),
        row("allowed by a click", 10, Personal(Proof::Allowed), Reason::Admitted, |_, a| { tokenless(a); a.policy.first_contact = FirstContact::Allowed(None); }),
        row("allowed from one network", 10, Personal(Proof::Allowed), Reason::Admitted, |_, a| { tokenless(a); a.policy.first_contact = FirstContact::Allowed(Some("192.0.2.0/24".parse().unwrap())); }),
        row("not from another", 10, CHALLENGE, Reason::MissingCredentials, |_, a| { tokenless(a); a.policy.first_contact = FirstContact::Allowed(Some("198.51.100.0/24".parse().unwrap())); }),
        row("the click holds only inside the window", 8 * DAY, CHALLENGE, Reason::WindowClosed, |_, a| { tokenless(a); a.policy.first_contact = FirstContact::Allowed(None); }),
        row("wrong credentials", 10, CHALLENGE, Reason::WrongCredentials, |_, a| { tokenless(a); a.evidence.authorization = Authorization::Wrong; }),
        row("wrong credentials with the token after the window", 8 * DAY, CHALLENGE, Reason::WrongCredentials, |_, a| a.evidence.authorization = Authorization::Wrong),
        row("wrong credentials beside the token do no harm in the window", 10, Personal(Proof::Token), Reason::Admitted, |_, a| a.evidence.authorization = Authorization::Wrong),
        row("stale nonce", 8 * DAY, AccessDecision::Challenge { stale: true }, Reason::StaleNonce, |_, a| a.evidence.authorization = Authorization::Stale),
        row("an answer that was used before", 8 * DAY, AccessDecision::Challenge { stale: true }, Reason::StaleNonce, |_, a| { tokenless(a); a.evidence.authorization = Authorization::Used; }),
        row("locked out", 10, CHALLENGE, Reason::LockedOut, |_, a| { tokenless(a); a.evidence.authorization = Authorization::Unchecked; }),
        row("locked out, but the click", 10, CHALLENGE, Reason::LockedOut, |_, a| { tokenless(a); a.evidence.authorization = Authorization::Unchecked; a.policy.first_contact = FirstContact::Allowed(None); }),
        row("former credentials during the change", 30 * DAY, Personal(Proof::Own), Reason::Admitted, |_, a| { tokenless(a); a.evidence.authorization = Authorization::Former; }),
        row("frozen: the shared account opens nothing", 10, CHALLENGE, Reason::SourceFrozen, |_, a| { tokenless(a); a.evidence.frozen = true; a.evidence.authorization = Authorization::Bootstrap; }),
        row("frozen: the click neither", 10, CHALLENGE, Reason::SourceFrozen, |_, a| { tokenless(a); a.evidence.frozen = true; a.policy.first_contact = FirstContact::Allowed(None); }),
        row("frozen: the token does", 10, Personal(Proof::Token), Reason::Admitted, |_, a| a.evidence.frozen = true),
        row("frozen: own credentials do", 10, Personal(Proof::Own), Reason::Admitted, |_, a| { tokenless(a); a.evidence.frozen = true; a.evidence.authorization = Authorization::Own; }),
        row("frozen: the certificate does", 30 * DAY, Personal(Proof::Certificate), Reason::Admitted, |_, a| { tokenless(a); a.evidence.frozen = true; a.evidence.certificate = of(mac()); }),
        row("frozen: who shows nothing is asked as ever", 10, CHALLENGE, Reason::MissingCredentials, |_, a| { tokenless(a); a.evidence.frozen = true; }),
        row("the clock was set back behind the opening", -2 * 3600, CHALLENGE, Reason::WindowClosed, |_, _| {}),
        row("a little before the opening is the clocks' difference", -60, Personal(Proof::Token), Reason::Admitted, |_, _| {}),
        row("the clock was set back behind the first delivery", 2 * DAY, CHALLENGE, Reason::WindowClosed, |p, _| { bound(p, "192.0.2.10", "yealink T46U"); p.window.first_delivery = Some(at(3 * DAY)); }),
        row("a record that says more than 7 days is not believed", 7 * DAY, CHALLENGE, Reason::WindowClosed, |p, _| p.window.until = Some(at(30 * DAY))),
        row("blocked with own credentials", 10, NotFound, Reason::Blocked, |p, a| { p.wanted = Wanted::Blocked; a.evidence.authorization = Authorization::Own; }),
        row("blocked without token", 10, CHALLENGE, Reason::Blocked, |p, a| { p.wanted = Wanted::Blocked; tokenless(a); a.evidence.authorization = Authorization::Own; }),
        row("blocked: not even the common file under its token", 10, NotFound, Reason::Blocked, |p, a| { p.wanted = Wanted::Blocked; a.file = RequestedFile::Common; }),
        row("removed", 10, NotFound, Reason::Gone, |p, a| { p.wanted = Wanted::Removed; a.evidence.authorization = Authorization::Own; }),
        row("released: one more file, also before a configuration", 10, Personal(Proof::Own), Reason::Released, |p, a| { p.wanted = Wanted::Released; p.device_config.received = None; p.delivery = Some(delivered(p)); p.revision += 1; a.evidence.authorization = Authorization::Own; }),
        row("released: then nothing", 10, NotFound, Reason::Gone, |p, a| { p.wanted = Wanted::Released; p.delivery = Some(delivered(p)); a.evidence.authorization = Authorization::Own; }),
        row("released: still no file without proof", 8 * DAY, CHALLENGE, Reason::WindowClosed, |p, _| p.wanted = Wanted::Released),
        row("orphaned for 7 days", 8 * DAY, Open, Reason::Orphaned, |p, a| { p.accounts[0].orphan(Gone::User, at(DAY)); a.evidence.authorization = Authorization::Own; }),
        row("orphaned for less", 8 * DAY - 1, Personal(Proof::Own), Reason::Admitted, |p, a| { p.accounts[0].orphan(Gone::User, at(DAY)); a.evidence.authorization = Authorization::Own; }),
        row("a new phone before its configuration", 10, Open, Reason::BeforeConfig, |p, _| p.device_config.received = None),
        row("a phone whose password was dropped", 10, Open, Reason::BeforeConfig, |p, _| p.accounts[0].password = Secret::default()),
        row("a working phone before its configuration", 10, RetryLater, Reason::BeforeConfig, |p, a| { p.device_config.received = None; p.delivery = Some(delivered(p)); a.evidence.authorization = Authorization::Own; }),
        row("before the configuration a stranger learns nothing", 8 * DAY, CHALLENGE, Reason::WindowClosed, |p, _| p.device_config.received = None),
        row("plain HTTP under https: open stage", 10, Open, Reason::Insecure, |_, a| { a.policy.https_only = true; a.evidence.encrypted = false; }),
        row("plain HTTP under https: whoever proves what", 10, Open, Reason::Insecure, |_, a| { a.policy.https_only = true; a.evidence.encrypted = false; a.evidence.authorization = Authorization::Own; }),
        row("plain HTTP under https without token: as for everyone", 10, CHALLENGE, Reason::MissingCredentials, |_, a| { tokenless(a); a.policy.https_only = true; a.evidence.encrypted = false; }),
        row("Basic over plain HTTP under https is never asked for", 10, ToTls, Reason::MissingCredentials, |_, a| { basic_in_clear(a); tokenless(a); }),
        row("nor from another source", 60, ToTls, Reason::OtherSource, |p, a| { basic_in_clear(a); bound(p, "192.0.2.11", "yealink T46U"); }),
        row("nor with wrong credentials", 10, ToTls, Reason::WrongCredentials, |_, a| { basic_in_clear(a); tokenless(a); a.evidence.authorization = Authorization::Wrong; }),
        row("nor when a certificate is required", 10, ToTls, Reason::CertificateRequired, |_, a| { basic_in_clear(a); tokenless(a); a.policy.require_certificate = true; }),
        row("nor of a blocked phone", 10, ToTls, Reason::Blocked, |p, a| { basic_in_clear(a); tokenless(a); p.wanted = Wanted::Blocked; }),
        row("nor for an upload", 10, NotFound, Reason::MissingCredentials, |_, a| { basic_in_clear(a); tokenless(a); a.purpose = Purpose::Upload; }),
        row("with its token it gets the open stage", 10, Open, Reason::Insecure, |_, a| basic_in_clear(a)),
        row("Basic over TLS is asked for", 10, CHALLENGE, Reason::MissingCredentials, |_, a| { basic_in_clear(a); tokenless(a); a.evidence.encrypted = true; }),
        row("Basic over plain HTTP where that was chosen", 10, CHALLENGE, Reason::MissingCredentials, |_, a| { basic_in_clear(a); tokenless(a); a.policy.https_only = false; }),
        row("TLS under https", 10, Personal(Proof::Token), Reason::Admitted, |_, a| a.policy.https_only = true),
        row("upload in the window", 10, Store(Proof::Token), Reason::Admitted, |_, a| a.purpose = Purpose::Upload),
        row("upload with own credentials", 8 * DAY, Store(Proof::Own), Reason::Admitted, |_, a| { a.purpose = Purpose::Upload; a.evidence.authorization = Authorization::Own; }),
        row("upload of a stranger", 8 * DAY, CHALLENGE, Reason::WindowClosed, |_, a| a.purpose = Purpose::Upload),
        row("upload over plain HTTP under https", 10, CHALLENGE, Reason::Insecure, |_, a| { a.purpose = Purpose::Upload; a.policy.https_only = true; a.evidence.encrypted = false; }),
        row("upload of a blocked phone", 10, NotFound, Reason::Blocked, |p, a| { p.wanted = Wanted::Blocked; a.purpose = Purpose::Upload; }),
    ]
}

#[test]
fn every_rule() {
    for row in rows() {
        let (mut phone, mut ask) = (phone(), ask());
        (row.set)(&mut phone, &mut ask);
        let known = (ask.evidence.token != Token::Unknown).then_some(&phone);
        let decision = admit(&ask, known, at(row.at));
        assert_eq!((decision.access, decision.reason), (row.access, row.reason), "{}", row.rule);
    }
}

#[test]
fn decisions_change_the_expected_states() {
    let fresh = phone();
    let decision = admit(&ask(), Some(&fresh), at(10));
    assert!(decision.binds_window && !decision.closes_window);

    let mut peek = ask();
    peek.purpose = Purpose::Peek;
    assert!(!admit(&peek, Some(&fresh), at(10)).binds_window, "HEAD is no delivery");

    let mut own = ask();
    own.evidence.authorization = Authorization::Own;
    let decision = admit(&own, Some(&fresh), at(10));
    assert!(decision.closes_window && !decision.binds_window);
    assert!(!admit(&own, Some(&fresh), at(8 * DAY)).closes_window, "nothing to close any more");

    let mut early = fresh.clone();
    early.device_config.received = None;
    assert!(!admit(&ask(), Some(&early), at(10)).binds_window, "the open stage binds nothing");

    let mut wrong = ask();
    tokenless(&mut wrong);
    wrong.evidence.authorization = Authorization::Wrong;
    assert!(admit(&wrong, Some(&fresh), at(10)).strike);
    assert!(admit(&wrong, None, at(10)).strike, "for unknown phones alike");
    let mut rotating = fresh.clone();
    rotating.former = Some(Secret::new("former"));
    assert!(admit(&own, Some(&rotating), at(10)).ends_overlap);
    assert!(!admit(&own, Some(&fresh), at(10)).ends_overlap);
    own.evidence.authorization = Authorization::Former;
    let decision = admit(&own, Some(&rotating), at(10));
    assert!(!decision.ends_overlap && decision.closes_window, "the former ones are good until the new ones are proven");

    for innocent in [Authorization::Missing, Authorization::Stale, Authorization::Used, Authorization::Unchecked] {
        wrong.evidence.authorization = innocent;
        assert!(!admit(&wrong, Some(&fresh), at(10)).strike);
    }
}

#[test]
fn of_two_first_sources_one_wins() {
    let mut record = phone();
    let (one, two) = ("192.0.2.10".parse().unwrap(), "192.0.2.11".parse().unwrap());
    assert_eq!(bind(&mut record, one, "T46U", at(10)), Ok(()));
    assert_eq!(bind(&mut record, two, "T46U", at(10)), Err(Reason::OtherSource));
    assert_eq!(bind(&mut record, one, "T46U", at(20)), Ok(()));
    assert_eq!(record.window.first_delivery, Some(at(10)), "a repeat does not prolong it");
    assert_eq!(bind(&mut record, one, "T46U", at(10 + 900)), Err(Reason::WindowClosed));
    record.wanted = Wanted::Blocked;
    assert_eq!(bind(&mut record, one, "T46U", at(20)), Err(Reason::Blocked));
}

fn any_ask() -> impl Strategy<Value = AccessRequest<'static>> {
    use Authorization as A;
    let authorization = prop::sample::select(vec![
        A::Missing,
        A::Own,
        A::Former,
        A::Bootstrap,
        A::Wrong,
        A::Stale,
        A::Used,
        A::Unchecked,
    ]);
    let certificate = prop::sample::select(vec![
        Certificate::None,
        Certificate::Expired,
        Certificate::UnknownIssuer,
        Certificate::NoMac,
        of(mac()),
        of(other_mac()),
    ]);
    let file = prop::sample::select(vec![
        RequestedFile::Personal(mac()),
        RequestedFile::Personal(other_mac()),
        RequestedFile::Common,
        RequestedFile::Other,
    ]);
    let contact = prop::sample::select(vec![FirstContact::Refused, FirstContact::Allowed(None)]);
    let purpose = prop::sample::select(vec![Purpose::Fetch, Purpose::Peek, Purpose::Upload]);
    let token = prop::sample::select(vec![Token::None, Token::Known]);
    ((authorization, certificate, file, contact, purpose, token), any::<[bool; 5]>(), 1u8..4).prop_map(
        |(
            (authorization, certificate, file, first_contact, purpose, token),
            [encrypted, https_only, require, clear_passwords, frozen],
            host,
        )| AccessRequest {
            evidence: Evidence {
                source: [192, 0, 2, host].into(),
                encrypted,
                family: "yealink T46U",
                token,
                authorization,
                certificate,
                frozen,
            },
            file,
            purpose,
            policy: Policy { https_only, clear_passwords, require_certificate: require, first_contact },
        },
    )
}

fn any_phone() -> impl Strategy<Value = Phone> {
    (
        prop::sample::select(Wanted::ALL.to_vec()),
        prop::option::of(0i64..10 * DAY),
        prop::option::of(0i64..10 * DAY),
        prop::option::of(1u8..4),
        any::<[bool; 3]>(),
    )
        .prop_map(|(wanted, opened, closed, bound, [configured, delivered_before, orphaned])| {
            let mut phone = phone();
            phone.wanted = wanted;
            phone.window = BootstrapWindow::default();
            if let Some(opened) = opened {
                phone.window.open(at(opened), 7);
                phone.window.closed = closed.map(at);
                phone.window.bound = bound
                    .map(|host| WindowBinding { source: [192, 0, 2, host].into(), family: "yealink T46U".to_owned() });
                phone.window.first_delivery = bound.map(|_| at(opened));
            }
            if !configured {
                phone.device_config.received = None;
            }
            if delivered_before {
                phone.delivery = Some(delivered(&phone));
            }
            if orphaned {
                phone.accounts[0].orphan(Gone::Device, at(0));
            }
            phone
        })
}

/// Whether the response withholds something for lack of proof.
fn is_refusal(access: AccessDecision) -> bool {
    matches!(access, AccessDecision::Challenge { .. } | AccessDecision::NotFound | AccessDecision::ToTls)
}

proptest! {
    #[test]
    fn nothing_personal_without_proof(ask in any_ask(), phone in any_phone(), now in 0i64..20 * DAY) {
        let decision = admit(&ask, Some(&phone), at(now));
        if let AccessDecision::Personal(proof) | AccessDecision::Store(proof) = decision.access {
            let own = matches!(ask.evidence.authorization, Authorization::Own | Authorization::Former);
            let lasting = own || ask.evidence.certificate == of(phone.mac);
            prop_assert!(lasting || window_admits(&phone.window, at(now)));
            prop_assert!(lasting || !proof.is_bootstrap()
                || phone.window.bound.as_ref().is_none_or(|bound| bound.source == ask.evidence.source));
            prop_assert!(ask.evidence.encrypted || !ask.policy.https_only);
            prop_assert!(!ask.policy.require_certificate || ask.evidence.certificate == of(phone.mac));
            prop_assert_eq!(ask.file, RequestedFile::Personal(phone.mac));
            prop_assert!(!matches!(phone.wanted, Wanted::Blocked | Wanted::Removed));
        }
        let in_clear = ask.policy.clear_passwords && ask.policy.https_only && !ask.evidence.encrypted;
        prop_assert!(!in_clear || !matches!(decision.access, AccessDecision::Challenge { .. }), "{:?}", decision);
        if decision.closes_window {
            prop_assert!(matches!(ask.evidence.authorization, Authorization::Own | Authorization::Former));
        }
        if decision.ends_overlap {
            prop_assert_eq!(ask.evidence.authorization, Authorization::Own);
        }
        if ask.evidence.frozen && ask.evidence.token == Token::None {
            let bootstrap = matches!(decision.access, AccessDecision::Personal(proof) | AccessDecision::Store(proof) if proof.is_bootstrap());
            prop_assert!(!bootstrap, "{:?}", decision);
        }
    }

    #[test]
    fn blocked_and_removed_get_nothing(ask in any_ask(), mut phone in any_phone(), now in 0i64..20 * DAY, removed: bool) {
        phone.wanted = if removed { Wanted::Removed } else { Wanted::Blocked };
        let decision = admit(&ask, Some(&phone), at(now));
        // The common file without a token belongs to no phone.
        let everybodys = ask.file == RequestedFile::Common && ask.evidence.token == Token::None;
        prop_assert!(is_refusal(decision.access) || everybodys, "{:?}", decision);
        prop_assert!(!decision.closes_window && !decision.binds_window);
    }

    #[test]
    fn without_token_and_proof_known_and_unknown_look_alike(mut ask in any_ask(), phone in any_phone(), now in 0i64..20 * DAY) {
        tokenless(&mut ask);
        // An unknown client: its evidence is wrong for this phone, and no administrator allowed it.
        ask.policy.first_contact = FirstContact::Refused;
        if matches!(ask.evidence.authorization, Authorization::Own | Authorization::Former | Authorization::Bootstrap) {
            ask.evidence.authorization = Authorization::Wrong;
        }
        if ask.evidence.certificate == of(phone.mac) {
            ask.evidence.certificate = Certificate::None;
        }
        if let RequestedFile::Personal(_) = ask.file {
            ask.file = RequestedFile::Personal(phone.mac);
        }
        let (known, unknown) = (admit(&ask, Some(&phone), at(now)), admit(&ask, None, at(now)));
        prop_assert_eq!(known.access, unknown.access);
        prop_assert_eq!(known.strike, unknown.strike);
        prop_assert!(!known.binds_window && !known.closes_window);
    }

    #[test]
    fn own_credentials_always_pass(mut ask in any_ask(), mut phone in any_phone(), now in 0i64..20 * DAY, former: bool) {
        ask.evidence.authorization = if former { Authorization::Former } else { Authorization::Own };
        ask.file = RequestedFile::Personal(phone.mac);
        ask.policy.require_certificate = false;
        phone.wanted = Wanted::Active;
        let decision = admit(&ask, Some(&phone), at(now));
        prop_assert!(!is_refusal(decision.access) || decision.reason == Reason::Insecure, "{:?}", decision);
    }
}
