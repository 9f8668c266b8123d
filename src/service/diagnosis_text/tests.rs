//! One row per cause: its condition, the text, and the button.

use gangway_base::secret::Secret;

use super::*;
use crate::{
    phone::{
        facet::{DevicesState, RedirectState, RegistrationState, RequestState, UserObjectState, Wanted},
        record::{Delivery, Gone, Orphaned, Phone, RedirectEntry},
    },
    provision::transitions,
    service::{
        cause::ProvisioningStage,
        diagnosis::stage,
        diagnosis_facts::{InstanceStatus, TlsRejection, expected_urls},
    },
    store::RequestFacts,
};

/// A phone that has completed all steps, in an instance without problems.
struct Case {
    phone: Phone,
    instance_status: InstanceStatus,
    request: Option<RequestFacts>,
    known_model: bool,
    now: Timestamp,
}

fn working() -> Case {
    let mut phone = Phone::sample();
    let now = phone.created;
    phone.sysclient.password = Some(Secret::new("p"));
    phone.device_config.received = Some(now);
    phone.devices.reach(DevicesState::Received, now);
    phone.redirect.reach(RedirectState::Redirected, now);
    phone.redirect_entry = Some(RedirectEntry { url: Secret::new("https://x/"), server_name: None, at: now });
    phone.request.reach(RequestState::Provisioned, now);
    phone.delivery = Some(Delivery { at: now, revision: phone.revision, provisioning: 1, etag: "\"a\"".into() });
    phone.accounts[0].user_object.reach(UserObjectState::Applied, now);
    phone.accounts[0].registration.reach(RegistrationState::Registered, now);
    let instance_status =
        InstanceStatus { pbx: true, services: true, devices: true, urls: expected_urls(), ..InstanceStatus::default() };
    Case { phone, instance_status, request: None, known_model: true, now }
}

/// A phone that is redirected and has not sent a request yet.
fn redirected() -> Case {
    let mut case = working();
    case.phone.request.reach(RequestState::NotYet, case.now);
    case.phone.delivery = None;
    case
}

/// A phone that has just been entered.
fn fresh() -> Case {
    let mut case = redirected();
    case.phone.devices.reach(DevicesState::Waiting, case.now);
    case.phone.device_config.received = None;
    case.phone.sysclient.password = None;
    case.phone.redirect.reach(RedirectState::Pending, case.now);
    case.phone.redirect_entry = None;
    case
}

fn gone(since: Timestamp) -> Orphaned {
    Orphaned { since, gone: Gone::Device }
}

fn asked(outcome: &str, now: Timestamp) -> Option<RequestFacts> {
    Some(RequestFacts {
        at: now,
        address: "192.0.2.7".into(),
        user_agent: None,
        file: "x.cfg".into(),
        outcome: outcome.into(),
        requests: 1,
    })
}

fn refused(now: Timestamp) -> Vec<TlsRejection> {
    vec![TlsRejection { address: "192.0.2.7".parse().unwrap(), at: now, alert: "unknown_ca" }]
}

type Row = (Cause, Option<&'static str>, fn() -> Case, fn(&mut Case), &'static str);

/// Cause, button, initial phone, the change that triggers the cause, and a required part of the text.
const ROWS: &[Row] = &[
    (Cause::Working, None, working, |_| {}, "registered since"),
    (Cause::ChangePending, Some("resync"), working, |case| case.phone.revision += 1, "next request"),
    (
        Cause::CertificateRefused,
        None,
        redirected,
        |case| {
            case.request = asked("missing-credentials", case.now);
            case.instance_status.refusals = refused(case.now);
        },
        "The phone at 192.0.2.7 refuses the certificate of gangway (alert unknown_ca",
    ),
    (
        Cause::CertificatePerhapsRefused,
        None,
        redirected,
        |case| case.instance_status.refusals = refused(case.now),
        "a device at 192.0.2.7 refuses the certificate of gangway (alert unknown_ca",
    ),
    (
        Cause::DevicesLost,
        None,
        working,
        |case| case.phone.devices.fail(DevicesState::Lost, "closed by peer", None, case.now),
        "closed by peer",
    ),
    (
        Cause::Registering,
        Some("ask-registration"),
        working,
        |case| case.phone.accounts[0].registration.reach(RegistrationState::Unknown, case.now),
        "anna.user",
    ),
    (
        Cause::FlagsPending,
        None,
        working,
        |case| case.phone.accounts[0].user_object.reach(UserObjectState::Pending, case.now),
        "anna.user",
    ),
    (
        Cause::NotRegistered,
        Some("ask-registration"),
        working,
        |case| case.phone.accounts[0].registration.reach(RegistrationState::NotRegistered, case.now),
        "pbx.example.com",
    ),
    (
        Cause::NoPbxPassword,
        Some("ask-registration"),
        working,
        |case| case.phone.accounts[0].registration.reach(RegistrationState::NoPassword, case.now),
        "has no PBX password",
    ),
    (
        Cause::RegistrationLost,
        Some("ask-registration"),
        working,
        |case| transitions::registration_lost(&mut case.phone, 1, case.now, &mut Vec::new()),
        "password of the user may have changed",
    ),
    (
        Cause::UnknownModel,
        Some("ask-registration"),
        working,
        |case| {
            case.known_model = false;
            case.phone.accounts[0].registration.reach(RegistrationState::NotRegistered, case.now);
        },
        "T46U",
    ),
    (
        Cause::FlagsNotPermitted,
        None,
        working,
        |case| {
            case.instance_status.without_admin = vec!["gangway-yealink".into()];
            case.phone.accounts[0].user_object.fail(UserObjectState::NotPermitted, "x", None, case.now);
        },
        "Tick Admin at the app object gangway-yealink",
    ),
    (
        Cause::FlagsDidNotStick,
        None,
        working,
        |case| case.phone.accounts[0].user_object.fail(UserObjectState::DidNotStick, "mr differs", None, case.now),
        "mr differs",
    ),
    (
        Cause::DeviceNotFound,
        None,
        working,
        |case| case.phone.accounts[0].user_object.fail(UserObjectState::DeviceNotFound, "x", None, case.now),
        "Add the hardware id 805ec0123456",
    ),
    (Cause::PbxAway, None, fresh, |case| case.instance_status = InstanceStatus::default(), "Websocket"),
    (Cause::ServicesNotGranted, None, fresh, |case| case.instance_status.services = false, "Tick Services"),
    (Cause::DevicesNotAnnounced, None, fresh, |case| case.instance_status.devices = false, "Tick the Devices API"),
    (
        Cause::DevicesAway,
        None,
        fresh,
        |case| case.phone.devices.fail(DevicesState::Waiting, "refused", None, case.now),
        "refused",
    ),
    (
        Cause::NoDescriptor,
        None,
        fresh,
        |case| crate::provision::transitions::no_descriptor(&mut case.phone, case.now),
        "LimitNOFILE=",
    ),
    (Cause::Connecting, None, fresh, |case| case.phone.devices.reach(DevicesState::Connecting, case.now), "Wait"),
    (
        Cause::CodeRefused,
        Some("new-code"),
        fresh,
        |case| case.phone.devices.fail(DevicesState::NotInDomain, "silent", None, case.now),
        "Fetch a new code",
    ),
    (
        Cause::RemovedInDevices,
        Some("new-code"),
        working,
        |case| {
            case.phone.devices.fail(DevicesState::NotInDomain, "gone", None, case.now);
            // The phone is orphaned as well. The cause that restores it has priority.
            case.phone.accounts[0].orphaned = Some(gone(case.now));
        },
        "removed it there",
    ),
    (
        Cause::AskedBeforeConfig,
        None,
        fresh,
        |case| {
            case.phone.devices.reach(DevicesState::Connecting, case.now);
            case.phone.request.reach(RequestState::BeforeConfig, case.now);
        },
        "asks again by itself",
    ),
    (
        Cause::NoOwnUrl,
        None,
        redirected,
        |case| {
            case.phone.redirect.reach(RedirectState::Pending, case.now);
            case.instance_status.urls = Default::default();
        },
        "public_url",
    ),
    (
        Cause::RedirectNotConfigured,
        Some("open-settings"),
        redirected,
        |case| case.phone.redirect.reach(RedirectState::NotConfigured, case.now),
        "https://gw.example.com/phone/",
    ),
    (
        Cause::RedirectPending,
        None,
        redirected,
        |case| case.phone.redirect.reach(RedirectState::Pending, case.now),
        "not answered yet",
    ),
    (
        Cause::RedirectAway,
        None,
        redirected,
        |case| case.phone.redirect.fail(RedirectState::Pending, "time-out", Some(case.now), case.now),
        "time-out",
    ),
    (
        Cause::RedirectRefused,
        Some("redirect-again"),
        redirected,
        |case| case.phone.redirect.fail(RedirectState::Refused, "wrong password", None, case.now),
        "wrong password",
    ),
    (
        Cause::RedirectForeignOwner,
        Some("redirect-again"),
        redirected,
        |case| case.phone.redirect.fail(RedirectState::ForeignOwner, "not yours", None, case.now),
        "release 805ec0123456",
    ),
    (Cause::RedirectedNotAsked, Some("redirect-again"), redirected, |_| {}, "Reset the phone to factory settings"),
    (
        Cause::AllowedNotAsked,
        None,
        working,
        |case| {
            case.request = asked("window-closed", case.now);
            case.now += jiff::SignedDuration::from_mins(5);
            case.phone.window.open(case.now, 7);
        },
        "Restart the phone",
    ),
    (Cause::WindowExpired, None, redirected, |case| case.phone.window.until = Some(case.now), "have been withdrawn"),
    (
        Cause::Rejected,
        Some("allow"),
        redirected,
        |case| case.phone.request.fail(RequestState::Rejected, Reason::OtherSource.text(), None, case.now),
        "Somebody else asked",
    ),
    (
        Cause::Rejected,
        Some("open-settings"),
        redirected,
        |case| case.phone.request.fail(RequestState::Rejected, Reason::CertificateRequired.text(), None, case.now),
        "require_certificate",
    ),
    (
        Cause::Rejected,
        None,
        redirected,
        |case| case.phone.request.fail(RequestState::Rejected, Reason::OtherCertificate.text(), None, case.now),
        "another MAC address",
    ),
    (Cause::WindowClosed, Some("allow"), working, |case| case.request = asked("window-closed", case.now), "192.0.2.7"),
    (Cause::Overdue, Some("allow"), working, |case| case.phone.request.reach(RequestState::Overdue, case.now), "power"),
    (
        Cause::Orphaned,
        Some("remove"),
        working,
        |case| case.phone.accounts[0].orphaned = Some(gone(case.now)),
        "anna.user",
    ),
    (Cause::Blocked, Some("activate"), working, |case| case.phone.wanted = Wanted::Blocked, "Activate"),
    (
        Cause::Releasing,
        Some("resync"),
        working,
        |case| {
            case.phone.wanted = Wanted::Released;
            case.phone.revision += 1;
        },
        "all accounts off",
    ),
    (Cause::Released, Some("activate"), working, |case| case.phone.wanted = Wanted::Released, "accounts are off"),
    (Cause::Removing, None, working, |case| case.phone.wanted = Wanted::Removed, "taken back"),
    (
        Cause::Removed,
        None,
        working,
        |case| {
            case.phone.wanted = Wanted::Removed;
            case.phone.removed_at = Some(case.now);
            case.phone.redirect_entry = None;
        },
        "Provision it again",
    ),
    (
        Cause::RemovedWithLeftovers,
        None,
        working,
        |case| {
            case.phone.wanted = Wanted::Removed;
            case.phone.removed_at = Some(case.now);
            case.phone.redirect.fail(RedirectState::Refused, "no rights", None, case.now);
        },
        "Delete 805ec0123456 there by hand",
    ),
];

#[test]
fn every_cause_is_found_said_and_has_its_button() {
    for (cause, action, from, change, expected_text) in ROWS {
        let mut case = from();
        change(&mut case);
        let facts = DiagnosisInputs {
            instance_status: &case.instance_status,
            request: case.request.as_ref(),
            known_model: case.known_model,
            manual_url: Some("https://gw.example.com/phone/"),
        };
        let sentence = describe(&case.phone, &facts, case.now);
        assert_eq!(sentence.cause, cause.as_str());
        assert_eq!(sentence.action.as_ref().map(|button| button.name), *action, "{cause:?}");
        let whole = [&sentence.state, &sentence.why, &sentence.next].map(Message::english).join(" ");
        assert!(whole.contains(expected_text), "{cause:?} says: {whole}");
        assert!(!whole.contains(['{', '}']), "{cause:?} lacks a parameter: {whole}");
        assert!(!sentence.next.english().is_empty(), "{cause:?}");
    }
    for cause in Cause::ALL {
        assert!(ROWS.iter().any(|(known, ..)| known == cause), "{cause:?} has no row");
    }
}

#[test]
fn a_redirected_phone_needs_the_administrator_after_a_while() {
    let case = redirected();
    let stage_at = |now| stage(Cause::RedirectedNotAsked, &case.phone, now);
    assert_eq!(stage_at(case.now), ProvisioningStage::Underway);
    assert_eq!(stage_at(case.now + diagnosis::GRACE_AFTER_REDIRECT), ProvisioningStage::Stuck);
}
