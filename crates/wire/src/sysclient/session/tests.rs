use data_encoding::HEXLOWER;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn device() -> DeviceIdentity {
    DeviceIdentity { id: "001565112233".into(), product: "T54W".into(), version: "96.86".into(), name: None }
}

fn open(credentials: Credentials) -> (Session, Value) {
    let (session, actions) = Session::open(device(), credentials, "page", at(0));
    let [Action::Send(bytes)] = &actions[..] else { panic!("{actions:?}") };
    (session, identify_of(bytes))
}

fn identify_of(bytes: &[u8]) -> Value {
    let Ok(Frame::Admin { kind: AdminKind::Identify, json }) = Frame::decode(bytes) else { panic!() };
    serde_json::from_str(json).unwrap()
}

fn admin(kind: AdminKind, json: &Value) -> Vec<u8> {
    Frame::Admin { kind, json: &json.to_string() }.encode()
}

fn password(text: &str) -> Vec<u8> {
    admin(AdminKind::Password, &json!({ "password": text }))
}

fn item(value: &Value) -> Vec<u8> {
    admin(AdminKind::Configuration, &json!({ "config": value }))
}

fn events(actions: Vec<Action>) -> Vec<Event> {
    actions
        .into_iter()
        .map(|action| if let Action::Event(event) = action { event } else { panic!("{action:?}") })
        .collect()
}

fn ntp() -> ConfigItem {
    ConfigItem { kind: "NTP".into(), fields: json!({"type":"NTP","ntp1":"10.0.0.1"}) }
}

#[test]
fn the_first_time() {
    let (mut session, hello) = open(Credentials::code("562822784750".into()));
    assert_eq!((&hello["provisioningCode"], &hello["other"]), (&json!("562822784750"), &json!(true)));
    assert_eq!(events(session.on_frame(&password("P"), at(1))), [Event::PasswordReceived("P".into())]);
    // All frames are held until the password is stored.
    let hidden = inno_encrypt::encrypt("s", &"P".into(), "admin!");
    assert!(session.on_frame(&admin(AdminKind::AdminPassword, &json!({"seed":"s","pwd":hidden})), at(1)).is_empty());
    assert!(session.on_frame(&item(&ntp().fields), at(1)).is_empty());
    assert!(session.on_frame(&admin(AdminKind::Challenge, &json!({"challenge":"1"})), at(1)).is_empty());
    assert!(session.on_timer(at(500)).is_empty());
    assert_eq!(session.timer(), None);
    let mut actions = session.password_stored(at(500));
    let Some(Action::Send(proof)) = actions.pop() else { panic!("{actions:?}") };
    assert_eq!(events(actions), [Event::AdminPassword("admin!".into()), Event::Item(ntp())]);
    let proof = identify_of(&proof);
    assert_eq!(proof["digest"], digest(&device(), "1", &"P".into()));
    assert_eq!(proof.get("provisioningCode"), None);
    let last = admin(AdminKind::Configuration, &json!({"last":true}));
    assert_eq!(events(session.on_frame(&last, at(501))), [Event::Last]);
    assert!(session.password_stored(at(502)).is_empty());
}

#[test]
fn ever_after() {
    let (mut session, hello) = open(Credentials::password("P".into()));
    assert_eq!((hello.get("provisioningCode"), hello.get("digest")), (None, None));
    let actions = session.on_frame(&admin(AdminKind::Challenge, &json!({"challenge":1_446_931_255})), at(1));
    let [Action::Send(bytes)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(identify_of(bytes)["digest"], digest(&device(), "1446931255", &"P".into()));
    let media = json!({"type":"MEDIA","turnUser":"u","turnSeed":"s","turnPassword":inno_encrypt::encrypt("s", &"P".into(), "t")});
    let decrypted_item =
        ConfigItem { kind: "MEDIA".into(), fields: json!({"type":"MEDIA","turnUser":"u","turnPassword":"t"}) };
    assert_eq!(events(session.on_frame(&item(&media), at(2))), [Event::Item(decrypted_item)]);
    // A new password within the session: the device was moved to another domain.
    assert_eq!(events(session.on_frame(&password("Q"), at(3))), [Event::PasswordReceived("Q".into())]);
    assert!(session.password_stored(at(3)).is_empty());
    assert_eq!(session.password, Some("Q".into()));
}

#[test]
fn administrative_passwords_are_read_as_captured() {
    let all: Value = serde_json::from_str(include_str!("../../../../../fixtures/innovaphone/vectors.json")).unwrap();
    for vector in all["sysclient_adminpwd"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let (mut session, _) = open(Credentials::password(text("sysclient_password").into()));
        let message = admin(AdminKind::AdminPassword, &json!({"seed":text("seed"),"pwd":text("pwd_hex")}));
        assert_eq!(events(session.on_frame(&message, at(1))), [Event::AdminPassword(text("plain").into())]);
    }
}

#[test]
fn captured_frames_work_in_any_session() {
    let all: Value = serde_json::from_str(include_str!("../../../../../fixtures/innovaphone/vectors.json")).unwrap();
    let (mut session, _) = open(Credentials::password("7iICN04agQq38j!hmbN7P5LLI1YePz1w".into()));
    let mut seen = Vec::new();
    for frame in all["frames"].as_array().unwrap() {
        let actions = session.on_frame(&HEXLOWER.decode(frame["hex"].as_str().unwrap().as_bytes()).unwrap(), at(1));
        seen.extend(actions);
        seen.extend(session.password_stored(at(1)));
    }
    let last = seen.iter().filter(|action| matches!(action, Action::Event(Event::Last))).count();
    let passwords = seen.iter().filter(|action| matches!(action, Action::Event(Event::PasswordReceived(_)))).count();
    assert_eq!((last, passwords), (1, 1));
}

#[test]
fn what_comes_before_its_password_is_shown_with_it() {
    let (mut session, _) = open(Credentials::code("1".into()));
    let hidden = |text: &str| inno_encrypt::encrypt("s", &"P".into(), text);
    let media = json!({"type":"MEDIA","turnSeed":"s","turnPassword":hidden("t")});
    assert!(session.on_frame(&item(&media), at(1)).is_empty());
    assert!(
        session.on_frame(&admin(AdminKind::AdminPassword, &json!({"seed":"s","pwd":hidden("a")})), at(1)).is_empty()
    );
    assert_eq!(events(session.on_frame(&item(&ntp().fields), at(1))), [Event::Item(ntp())]);
    session.on_frame(&password("P"), at(2));
    let decrypted_item = ConfigItem { kind: "MEDIA".into(), fields: json!({"type":"MEDIA","turnPassword":"t"}) };
    assert_eq!(events(session.password_stored(at(3))), [Event::Item(decrypted_item), Event::AdminPassword("a".into())]);
}

#[test]
fn silence_means_not_in_domain_and_keeps_the_socket() {
    let (mut session, _) = open(Credentials::code("1".into()));
    assert_eq!(session.timer(), Some(at(20)));
    assert_eq!(
        events(session.on_frame(&admin(AdminKind::Challenge, &json!({"challenge":"1"})), at(5))),
        [Event::Ignored(Ignored::NoPassword)]
    );
    assert!(session.on_timer(at(19)).is_empty());
    assert_eq!(events(session.on_timer(at(20))), [Event::NotInDomain]);
    assert_eq!(session.timer(), Some(at(30)));
    assert!(matches!(session.on_timer(at(30))[..], [Action::Ping]));
    // An administrator adds the device later.
    assert_eq!(events(session.on_frame(&password("P"), at(40))), [Event::PasswordReceived("P".into())]);
}

#[test]
fn pings_notice_a_dead_peer_only_when_it_used_to_answer() {
    for answers in [true, false] {
        let (mut session, _) = open(Credentials::password("P".into()));
        session.on_frame(&item(&ntp().fields), at(1));
        if answers {
            session.on_pong(at(31));
        }
        let mut ended = None;
        for second in (30..=300).step_by(30) {
            if let [Action::Close(reason)] = session.on_timer(at(second))[..] {
                ended = Some((second, reason));
            }
        }
        assert_eq!(ended, answers.then_some((150, CloseReason::Dead)));
    }
}

#[test]
fn the_queue_for_the_store_is_bounded() {
    let (mut session, _) = open(Credentials::code("1".into()));
    session.on_frame(&password("P"), at(1));
    let mut closed = 0;
    for _ in 0..300 {
        let actions = session.on_frame(&item(&ntp().fields), at(1));
        closed += usize::from(matches!(actions[..], [Action::Close(CloseReason::TooMuchHeld)]));
    }
    assert_eq!(closed, 1);
}

#[test]
fn a_second_password_while_storing_waits_its_turn() {
    let (mut session, _) = open(Credentials::code("1".into()));
    session.on_frame(&password("P"), at(1));
    session.on_frame(&password("Q"), at(1));
    session.on_frame(&item(&ntp().fields), at(1));
    assert_eq!(events(session.password_stored(at(2))), [Event::PasswordReceived("Q".into())]);
    assert_eq!(events(session.password_stored(at(3))), [Event::Item(ntp())]);
}

#[test]
fn challenges_do_not_go_on_for_ever() {
    let (mut session, _) = open(Credentials::password("P".into()));
    let challenge = admin(AdminKind::Challenge, &json!({"challenge":"1"}));
    for _ in 0..CHALLENGES {
        assert!(matches!(session.on_frame(&challenge, at(1))[..], [Action::Send(_)]));
    }
    assert!(matches!(session.on_frame(&challenge, at(1))[..], [Action::Close(CloseReason::TooManyChallenges)]));
    assert_eq!(events(session.on_frame(&challenge, at(1))), [Event::Ignored(Ignored::Closed)]);
}

#[test]
fn a_spent_code_is_sent_once_whatever_happens() {
    let (mut session, _) = open(Credentials { code: Some("777".into()), password: Some("P".into()) });
    let mut sent = Vec::new();
    for second in 1..200 {
        sent.extend(session.on_frame(&admin(AdminKind::Challenge, &json!({"challenge":"1"})), at(second)));
        sent.extend(session.on_frame(&item(&ntp().fields), at(second)));
        sent.extend(session.on_timer(at(second)));
    }
    for action in &sent {
        if let Action::Send(bytes) = action {
            assert_eq!(identify_of(bytes).get("provisioningCode"), None);
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Frame(Vec<u8>),
    Timer,
    Stored,
}

#[test]
fn a_refused_code_needs_no_silence() {
    let refusal = admin(AdminKind::ProvisionResult, &json!({"error":"code expired"}));
    let (mut session, _) = open(Credentials::code("562822784750".into()));
    let actions = session.on_frame(&admin(AdminKind::ProvisionResult, &json!({})), at(1));
    assert!(matches!(actions[..], [Action::Event(Event::Ignored(Ignored::UnknownType))]), "{actions:?}");
    let actions = session.on_frame(&refusal, at(1));
    assert!(matches!(actions[..], [Action::Event(Event::NotInDomain)]), "{actions:?}");
    let again = session.on_frame(&refusal, at(2));
    assert!(matches!(again[..], [Action::Event(Event::Ignored(Ignored::UnknownType))]), "{again:?}");

    let (mut session, _) = open(Credentials::password("P".into()));
    let actions = session.on_frame(&refusal, at(1));
    assert!(matches!(actions[..], [Action::Event(Event::Ignored(Ignored::UnknownType))]), "{actions:?}");
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let texts = prop::sample::select(vec![
        json!({"password":"P"}),
        json!({"challenge":"5"}),
        json!({"seed":"s","pwd":"00ff"}),
        json!({"config":{"type":"MEDIA","turnPassword":"00","turnSeed":"x"},"last":true}),
        json!({"last":true}),
        json!([1]),
        json!({}),
    ]);
    let step = prop_oneof![
        (0..8_u16, texts).prop_map(|(kind, json)| Step::Frame(admin(AdminKind::from_number(kind), &json))),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Step::Frame),
        Just(Step::Timer),
        Just(Step::Stored),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    #[test]
    fn any_order_is_survived_and_nothing_is_sent_while_storing(steps in steps(), code: bool) {
        let credentials = if code { Credentials::code("1".into()) } else { Credentials::password("P".into()) };
        let (mut session, _) = open(credentials);
        let mut now = 0;
        for step in steps {
            now += 7;
            let storing = session.is_waiting_for_store();
            let actions = match step {
                Step::Frame(bytes) => session.on_frame(&bytes, at(now)),
                Step::Timer => session.on_timer(at(now)),
                Step::Stored => { session.password_stored(at(now)); continue }
            };
            if storing {
                prop_assert!(actions.iter().all(|action| matches!(action, Action::Close(_) | Action::Event(Event::Ignored(Ignored::Closed)))));
            }
        }
    }
}

#[test]
fn messages_of_devices_are_limited() {
    let (mut session, _) = open(Credentials::code("562822784750".into()));
    let long = "x".repeat(ADMIN_LIMIT);
    for frame in [
        item(&json!({ "type": "NTP", "ntp1": long })),
        admin(AdminKind::AdminPassword, &json!({ "seed": "s", "pwd": long })),
        admin(AdminKind::Challenge, &json!({ "challenge": long })),
    ] {
        assert_eq!(events(session.on_frame(&frame, at(1))), [Event::Ignored(Ignored::Malformed)]);
    }
    // Encrypted items wait for a password; only the last ones are kept.
    for number in 0..10 {
        let waits = json!({ "type": number.to_string(), "turnPassword": "00".repeat(5_000), "seed": "s" });
        session.on_frame(&item(&waits), at(2));
        let bytes: usize = session.hidden.iter().map(|(length, _)| length).sum();
        assert!(bytes <= ADMIN_LIMIT && !session.hidden.is_empty(), "{bytes}");
    }
}
