//! Fuzzes the sysclient of one phone with frames from Devices. The first byte selects the phone's credentials. Each
//! frame is preceded by two bytes of length; a frame of length zero lets ten seconds pass.

use gangway_base::secret::Secret;
use gangway_wire::sysclient::{Action, Credentials, DeviceIdentity, Event, Frame, Session};
use jiff::Timestamp;

const CODE: &str = "562822784750";

pub fn enter(data: &[u8]) {
    let Some((kind, mut rest)) = data.split_first() else { return };
    let device = DeviceIdentity {
        id: "001565aabbcc".into(),
        product: "Yealink T46U".into(),
        version: "108.86.0.70".into(),
        name: None,
    };
    let credentials = Credentials {
        code: (kind & 1 != 0).then(|| Secret::new(CODE)),
        password: (kind & 2 != 0).then(|| Secret::new("sysclient password")),
    };
    let stores_at_once = kind & 4 != 0;
    let mut now = Timestamp::UNIX_EPOCH;
    let (mut session, opening) = Session::open(device, credentials, "page", now);
    let mut codes = opening.iter().filter(|action| holds_the_code(action)).count();
    let mut closed = false;
    while let [high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (frame, left) = after.split_at(length);
        rest = left;
        let waited = session.is_waiting_for_store();
        let actions = if frame.is_empty() {
            now = now.saturating_add(std::time::Duration::from_secs(10)).unwrap_or(Timestamp::MAX);
            session.on_timer(now)
        } else {
            round_trip(frame);
            session.on_frame(frame, now)
        };
        for action in &actions {
            assert!(!closed || matches!(action, Action::Event(Event::Ignored(_))), "something after the end");
            match action {
                Action::Send(_) => assert!(!waited, "sent before the password is on disk"),
                Action::Close(_) => closed = true,
                _ => {}
            }
        }
        codes += actions.iter().filter(|action| holds_the_code(action)).count();
        if stores_at_once || frame.is_empty() {
            let actions = session.password_stored(now);
            codes += actions.iter().filter(|action| holds_the_code(action)).count();
            closed |= actions.iter().any(|action| matches!(action, Action::Close(_)));
        }
    }
    assert!(codes <= 1, "a code is sent again");
}

fn holds_the_code(action: &Action) -> bool {
    matches!(action, Action::Send(bytes) if bytes.first() == Some(&1)
        && bytes.windows(CODE.len()).any(|part| part == CODE.as_bytes()))
}

/// A decoded frame that is encoded and decoded again must be equal.
fn round_trip(bytes: &[u8]) {
    if let Ok(frame) = Frame::decode(bytes) {
        let written = frame.encode();
        assert_eq!(Frame::decode(&written), Ok(frame));
    }
}
