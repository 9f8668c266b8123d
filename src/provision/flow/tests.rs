use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    devices::sysclients::{Credential, SysclientIdentity},
    phone::{
        facet::{DevicesState, RedirectState, RegistrationState, RequestState, UserObjectState},
        record::{Delivery, Gone, RedirectEntry},
    },
    provision::sample,
};

fn candidate(url: &str) -> DevicesCandidate {
    DevicesCandidate { url: url.parse().unwrap(), is_away: false }
}

fn context() -> FlowContext {
    FlowContext {
        devices: vec![candidate("wss://ap.example.com/example.com/devices/sysclients")],
        identity: SysclientIdentity::default(),
        target: None,
        redirect: RedirectContext {
            configured: true,
            url: Ok("https://gw.example.com/example.com/gangway/phone/abc/".into()),
            away_until: None,
            server: ServerReadiness::Ready("example.com".into()),
        },
        flags: Flags { media_relay: true, tls_only: true, reverse_proxy: true },
        interval_minutes: 1440,
        last_request: None,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + seconds).unwrap()
}

fn one(concern: FacetTask, phone: &Phone, context: &FlowContext, now: Timestamp) -> NextStep {
    decide_one(concern, phone, context, now)
}

#[test]
fn a_phone_is_redirected_after_its_configuration_or_while_devices_is_in_back_off() {
    let mut phone = sample::phone(at(0));
    let decide = |phone: &Phone| one(FacetTask::Redirect, phone, &context(), at(1));
    assert_eq!(decide(&phone), NextStep::WaitFor(WaitReason::Configuration));
    phone.devices.fail(DevicesState::Waiting, "away", Some(at(10)), at(1));
    assert!(matches!(decide(&phone), NextStep::Act(Action::Register { .. })));
    phone.devices.fail(DevicesState::NotInDomain, "expired", None, at(1));
    assert_eq!(decide(&phone), NextStep::WaitFor(WaitReason::Configuration));
    phone.device_config.received = Some(at(1));
    assert!(matches!(decide(&phone), NextStep::Act(Action::Register { .. })));
}

#[test]
fn a_moved_gateway_moves_its_phones() {
    let mut phone = sample::phone(at(0));
    phone.device_config.received = Some(at(1));
    phone.redirect.reach(RedirectState::Redirected, at(1));
    let entry = |url: &str| RedirectEntry { url: url.into(), server_name: None, at: at(1) };
    phone.redirect_entry = Some(entry(context().redirect.url.unwrap().expose()));
    assert_eq!(one(FacetTask::Redirect, &phone, &context(), at(2)), NextStep::WaitUntil(at(86_401)));
    // The time of the next comparison does not delay a move.
    phone.redirect.next_attempt = Some(at(86_401));
    phone.redirect_entry = Some(entry("https://old.example.com/"));
    assert!(matches!(one(FacetTask::Redirect, &phone, &context(), at(2)), NextStep::Act(Action::Register { .. })));
}

#[test]
fn devices_that_moved_are_followed() {
    let mut phone = sample::phone(at(0));
    let mut context = context();
    let NextStep::Act(Action::Connect(hold)) = one(FacetTask::Devices, &phone, &context, at(0)) else { panic!() };
    assert_eq!(hold.credential, Credential::Code("123456789012".into()));
    context.target = Some(hold);
    assert_eq!(one(FacetTask::Devices, &phone, &context, at(0)), NextStep::WaitFor(WaitReason::Devices));
    phone.sysclient.password = Some("p".into());
    phone.code = None;
    context.devices = vec![candidate("wss://new.example.com/sysclients")];
    let NextStep::Act(Action::Connect(hold)) = one(FacetTask::Devices, &phone, &context, at(0)) else { panic!() };
    assert_eq!(hold.url.host_str(), Some("new.example.com"));
    assert_eq!(hold.credential, Credential::Password("p".into()));
}

#[test]
fn phones_come_back_before_any_pbx_does() {
    let mut phone = sample::phone(at(0));
    phone.code = None;
    phone.sysclient.password = Some("p".into());
    phone.sysclient.url = Some("wss://ap.example.com/sysclients".into());
    let context = FlowContext { devices: Vec::new(), ..context() };
    assert!(matches!(one(FacetTask::Devices, &phone, &context, at(0)), NextStep::Act(Action::Connect(_))));
}

#[test]
fn the_window_closes_15_minutes_after_the_first_delivery_or_at_its_end() {
    let mut phone = sample::phone(at(0));
    let week = 7 * 86_400;
    assert_eq!(one(FacetTask::Window, &phone, &context(), at(1)), NextStep::WaitUntil(at(week)));
    assert_eq!(one(FacetTask::Window, &phone, &context(), at(week)), NextStep::Act(Action::CloseWindow));
    phone.window.first_delivery = Some(at(100));
    assert_eq!(one(FacetTask::Window, &phone, &context(), at(101)), NextStep::WaitUntil(at(1000)));
    assert_eq!(one(FacetTask::Window, &phone, &context(), at(1000)), NextStep::Act(Action::CloseWindow));
}

#[test]
fn an_unused_entry_is_withdrawn_after_a_week() {
    let mut phone = sample::phone(at(0));
    let week = 7 * 86_400;
    phone.redirect.reach(RedirectState::Redirected, at(1));
    phone.redirect_entry = Some(RedirectEntry { url: context().redirect.url.unwrap(), server_name: None, at: at(1) });
    assert_eq!(one(FacetTask::Redirect, &phone, &context(), at(week)), NextStep::Act(Action::Deregister));
    phone.delivery = Some(Delivery { at: at(9), revision: 1, provisioning: 1, etag: String::new() });
    phone.redirect.next_attempt = Some(at(week + 1));
    assert_eq!(one(FacetTask::Redirect, &phone, &context(), at(week)), NextStep::WaitUntil(at(week + 1)));
}

#[test]
fn what_the_service_holds_is_looked_at_once_a_day_and_a_difference_is_not_fought() {
    let mut phone = sample::phone(at(0));
    phone.device_config.received = Some(at(1));
    phone.redirect.reach(RedirectState::Redirected, at(1));
    let url = context().redirect.url.unwrap();
    phone.redirect_entry = Some(RedirectEntry { url: url.clone(), server_name: None, at: at(1) });
    phone.delivery = Some(Delivery { at: at(9), revision: 1, provisioning: 1, etag: String::new() });
    let verify = NextStep::Act(Action::Verify { url });
    // A record from before comparisons existed.
    assert_eq!(one(FacetTask::Redirect, &phone, &context(), at(86_400)), NextStep::WaitUntil(at(86_401)));
    assert_eq!(one(FacetTask::Redirect, &phone, &context(), at(86_401)), verify);
    for state in [RedirectState::Redirected, RedirectState::Refused, RedirectState::ForeignOwner] {
        phone.redirect.state = state;
        phone.redirect.next_attempt = Some(at(100));
        assert_eq!(one(FacetTask::Redirect, &phone, &context(), at(99)), NextStep::WaitUntil(at(100)));
        assert_eq!(one(FacetTask::Redirect, &phone, &context(), at(100)), verify, "{state:?}");
        let mut away = context();
        away.redirect.away_until = Some(at(150));
        assert_eq!(one(FacetTask::Redirect, &phone, &away, at(100)), verify, "nothing is noted");
        // Leaving does not wait for a comparison.
        phone.redirect.next_attempt = Some(at(9_000));
        let leaving = Phone { wanted: Wanted::Removed, ..phone.clone() };
        assert_eq!(one(FacetTask::Redirect, &leaving, &context(), at(100)), NextStep::Act(Action::Deregister));
    }
    for state in [RedirectState::Refused, RedirectState::ForeignOwner] {
        phone.redirect.state = state;
        phone.redirect.next_attempt = None;
        assert_eq!(one(FacetTask::Redirect, &phone, &context(), at(100)), NextStep::WaitFor(WaitReason::Person));
    }
}

#[test]
fn flags_wait_for_the_delivery_of_this_provisioning() {
    let mut phone = sample::phone(at(0));
    let flags = |phone: &Phone| one(FacetTask::UserObject(1), phone, &context(), at(10));
    assert_eq!(flags(&phone), NextStep::WaitFor(WaitReason::Delivery));
    phone.delivery = Some(Delivery { at: at(9), revision: 1, provisioning: 1, etag: String::new() });
    assert_eq!(flags(&phone), NextStep::Act(Action::WriteFlags(context().flags)));
    phone.accounts[0].flags_written = Some(context().flags);
    phone.accounts[0].flags_provisioning = 1;
    phone.accounts[0].user_object.fail(UserObjectState::DidNotStick, "shows another value", None, at(10));
    assert_eq!(flags(&phone), NextStep::Settled);
    phone.provisioning = 2;
    assert_eq!(flags(&phone), NextStep::Settled, "another user of the same base was provisioned");
    phone.accounts[0].provisioning = 2;
    assert_eq!(flags(&phone), NextStep::WaitFor(WaitReason::Delivery));
}

#[test]
fn an_account_is_written_off_after_7_days_and_for_itself() {
    let mut phone = Phone::sample_base(&["anna", "berta"], at(0));
    let presence = |phone: &Phone, line, now| one(FacetTask::Presence(line), phone, &context(), now);
    assert_eq!(presence(&phone, 1, at(9)), NextStep::Settled);
    phone.accounts[0].orphan(Gone::User, at(10));
    let week = 7 * 86_400;
    assert_eq!(presence(&phone, 1, at(11)), NextStep::WaitUntil(at(10 + week)));
    assert_eq!(presence(&phone, 1, at(10 + week)), NextStep::Act(Action::DisableAccount));
    assert_eq!(presence(&phone, 2, at(10 + week)), NextStep::Settled);
    phone.accounts[0].withheld = Some(at(10 + week));
    assert_eq!(presence(&phone, 1, at(11 + week)), NextStep::Settled);
}

#[test]
fn a_phone_is_overdue_after_three_intervals_or_a_week() {
    let mut phone = sample::phone(at(0));
    phone.request.reach(RequestState::Provisioned, at(0));
    let mut context = FlowContext { interval_minutes: 10, ..context() };
    assert_eq!(one(FacetTask::Request, &phone, &context, at(1)), NextStep::WaitUntil(at(1800)));
    context.last_request = Some(at(600));
    assert_eq!(one(FacetTask::Request, &phone, &context, at(1800)), NextStep::WaitUntil(at(2400)));
    assert_eq!(one(FacetTask::Request, &phone, &context, at(2400)), NextStep::Act(Action::MarkOverdue));
    context.interval_minutes = 0;
    assert_eq!(one(FacetTask::Request, &phone, &context, at(2400)), NextStep::WaitUntil(at(600 + 7 * 86_400)));
}

#[test]
fn a_removed_phone_is_deregistered_closed_and_buried_in_this_order() {
    let mut phone = sample::phone(at(0));
    let mut context = context();
    context.target = sysclient_target(&phone, &context);
    phone.redirect_entry =
        Some(RedirectEntry { url: context.redirect.url.clone().unwrap(), server_name: None, at: at(1) });
    phone.wanted = Wanted::Removed;
    assert_eq!(one(FacetTask::Life, &phone, &context, at(2)), NextStep::WaitFor(WaitReason::Farewell));
    assert_eq!(one(FacetTask::Devices, &phone, &context, at(2)), NextStep::Act(Action::Disconnect));
    assert_eq!(one(FacetTask::Redirect, &phone, &context, at(2)), NextStep::Act(Action::Deregister));
    context.target = None;
    phone.redirect_entry = None;
    assert_eq!(one(FacetTask::Life, &phone, &context, at(2)), NextStep::Act(Action::Archive));
}

#[test]
fn while_the_service_is_away_the_record_says_so_once() {
    let mut phone = sample::phone(at(0));
    phone.device_config.received = Some(at(1));
    let mut context = context();
    context.redirect.away_until = Some(at(10));
    let decide = |phone: &Phone, now| one(FacetTask::Redirect, phone, &context, now);
    assert_eq!(decide(&phone, at(2)), NextStep::Act(Action::RecordRedirectUnavailable(at(10))));
    phone.redirect.fail(RedirectState::Pending, "away", Some(at(10)), at(2));
    assert_eq!(decide(&phone, at(3)), NextStep::WaitUntil(at(10)));
    assert!(matches!(decide(&phone, at(10)), NextStep::Act(Action::Register { .. })));
}

#[test]
fn the_server_entry_is_sent_at_every_start_and_when_the_url_changes() {
    let context = ServerContext {
        configured: true,
        name: "example.com".into(),
        url: Some("https://gw.example.com/phone/".into()),
    };
    let mut entry = ServerEntryProgress::default();
    let ServerDecision::Write { name, url } = server_entry(&entry, &context) else { panic!() };
    entry.ensured = Some((name, url));
    assert_eq!(server_entry(&entry, &context), ServerDecision::Settled);
    let moved = ServerContext { url: Some("https://new.example.com/phone/".into()), ..context };
    assert!(matches!(server_entry(&entry, &moved), ServerDecision::Write { .. }));
}

proptest! {
    /// Every decision is an action, a named wait, a time in the future, or settled.
    #[test]
    fn waiting_is_always_for_a_time_ahead(
        wanted in prop::sample::select(Wanted::ALL),
        devices in prop::sample::select(DevicesState::ALL),
        redirect in prop::sample::select(RedirectState::ALL),
        request in prop::sample::select(RequestState::ALL),
        flags in prop::sample::select(UserObjectState::ALL),
        registration in prop::sample::select(RegistrationState::ALL),
        next in prop::option::of(0_i64..2_000),
        seconds in 0_i64..1_000_000,
        received: bool, entry: bool, delivered: bool, password: bool, code: bool, configured: bool, url: bool,
    ) {
        let now = at(seconds);
        let mut phone = sample::phone(at(0));
        phone.wanted = wanted;
        phone.devices.state = devices;
        phone.redirect.state = redirect;
        phone.redirect.next_attempt = next.map(at);
        phone.request.state = request;
        phone.accounts[0].user_object.state = flags;
        phone.accounts[0].user_object.next_attempt = next.map(at);
        phone.accounts[0].registration.state = registration;
        phone.accounts[0].registration.next_attempt = next.map(at);
        phone.device_config.received = received.then(|| at(1));
        phone.redirect_entry =
            entry.then(|| RedirectEntry { url: "https://x/".into(), server_name: None, at: at(1) });
        phone.delivery =
            delivered.then(|| Delivery { at: at(5), revision: 1, provisioning: 1, etag: String::new() });
        phone.sysclient.password = password.then(|| "p".into());
        if !code { phone.code = None; }
        let mut context = context();
        context.redirect.configured = configured;
        if !url { context.redirect.url = Err(crate::phone::public_url::UrlError::Unknown { provider: "yealink".into() }); }
        for (_, decision) in decide(&phone, &context, now) {
            if let NextStep::WaitUntil(time) = decision {
                prop_assert!(time > now);
            }
        }
    }
}

#[test]
fn registration_pauses_grow_to_a_minute() {
    assert_eq!(registration_pause(0), Duration::from_secs(1));
    assert_eq!(registration_pause(3), Duration::from_secs(8));
    assert_eq!(registration_pause(40), Duration::from_secs(60));
}
