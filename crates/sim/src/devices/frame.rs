//! The frames of a sysclient connection (SDK page "sysclient"): binary messages, big endian.

use serde_json::Value;

/// Numbers of the administrative messages.
pub(super) mod admin {
    pub(in crate::devices) const IDENTIFY: u16 = 0;
    pub(in crate::devices) const PASSWORD: u16 = 1;
    pub(in crate::devices) const CHALLENGE: u16 = 2;
    pub(in crate::devices) const ADMIN_PASSWORD: u16 = 3;
    pub(in crate::devices) const CONFIGURATION: u16 = 6;
}

/// Numbers of the tunnel events.
pub(super) mod event {
    pub(in crate::devices) const SEND: u32 = 0;
    pub(in crate::devices) const RECEIVE: u32 = 1;
    pub(in crate::devices) const RECEIVE_RESULT: u32 = 2;
    pub(in crate::devices) const SEND_RESULT: u32 = 3;
    pub(in crate::devices) const SHUTDOWN: u32 = 4;
}

/// A frame from a device.
#[derive(Debug, PartialEq)]
pub(super) enum Frame {
    Admin {
        kind: u16,
        content: Value,
    },
    Tunnel {
        session: u32,
        event: u32,
        data: Vec<u8>,
    },
    /// Too short, unknown, or with invalid JSON.
    Odd,
}

/// Writes an administrative message.
pub(super) fn write_admin(kind: u16, content: &Value) -> Vec<u8> {
    let [high, low] = kind.to_be_bytes();
    let mut frame = vec![1, high, low];
    frame.extend_from_slice(content.to_string().as_bytes());
    frame
}

/// Writes a tunnel message.
pub(super) fn write_tunnel(session: u32, event: u32, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![2];
    frame.extend_from_slice(&session.to_be_bytes());
    frame.extend_from_slice(&event.to_be_bytes());
    frame.extend_from_slice(data);
    frame
}

/// Parses a frame from a device.
pub(super) fn read(bytes: &[u8]) -> Frame {
    match bytes {
        [1, high, low, json @ ..] => match serde_json::from_slice(json) {
            Ok(content) => Frame::Admin { kind: u16::from_be_bytes([*high, *low]), content },
            Err(_) => Frame::Odd,
        },
        [2, a, b, c, d, e, f, g, h, data @ ..] => Frame::Tunnel {
            session: u32::from_be_bytes([*a, *b, *c, *d]),
            event: u32::from_be_bytes([*e, *f, *g, *h]),
            data: data.to_vec(),
        },
        _ => Frame::Odd,
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_frame_vectors_hold() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../../fixtures/innovaphone/vectors.json")).unwrap();
        let vector = |name: &str| {
            let frames = vectors["frames"].as_array().unwrap();
            let found = frames.iter().find(|frame| frame["name"].as_str().unwrap().starts_with(name));
            found.unwrap()["hex"].as_str().unwrap().to_owned()
        };
        let challenge = write_admin(admin::CHALLENGE, &json!({ "challenge": "3166936807" }));
        assert_eq!(HEXLOWER.encode(&challenge)[..6], vector("challenge")[..6]);
        assert_eq!(HEXLOWER.encode(&write_tunnel(0x0d, event::SEND_RESULT, &[])), vector("tunnel send result"));
        assert_eq!(HEXLOWER.encode(&write_tunnel(0x0d, event::RECEIVE, &[0; 4])), vector("tunnel recv request"));
        assert_eq!(HEXLOWER.encode(&write_tunnel(0x0d, event::SHUTDOWN, &[])), vector("tunnel shutdown"));
        let admin_password = json!({ "seed": "wJQog70GUK!GPTN2", "pwd": "22f91ebb" });
        assert_eq!(HEXLOWER.encode(&write_admin(admin::ADMIN_PASSWORD, &admin_password)), vector("admin password"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }

        #[test]
        fn what_is_written_is_read(session: u32, event: u32, data: Vec<u8>) {
            proptest::prop_assert_eq!(
                read(&write_tunnel(session, event, &data)),
                Frame::Tunnel { session, event, data }
            );
        }
    }
}
