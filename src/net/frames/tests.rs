use std::task::Waker;

use futures_util::stream;
use tokio::io::AsyncReadExt as _;

use super::*;

fn limits(most: usize) -> FrameLimits {
    FrameLimits { frame: most, message: most, total: None }
}

/// An unmasked binary frame with a long length.
fn frame(length: u64, there: usize) -> Vec<u8> {
    let mut bytes = vec![0x82, 127];
    bytes.extend(length.to_be_bytes());
    bytes.resize(bytes.len() + there, 7);
    bytes
}

#[test]
fn a_frame_behind_a_login_is_judged_after_it() {
    let login = frame(10, 10);
    let sent = [login.clone(), frame(5_000, 5_000), frame(1 << 20, 0)].concat();
    let gate = FrameGate::new(limits(4_096));
    let mut stream = FrameStream::new(stream::iter([Ok(Bytes::from(sent))]), gate.clone());
    let mut cx = Context::from_waker(Waker::noop());
    let mut next = || match Pin::new(&mut stream).poll_next(&mut cx) {
        Poll::Ready(Some(result)) => Some(result.map(|bytes| bytes.len())),
        Poll::Ready(None) => panic!("the end"),
        Poll::Pending => None,
    };
    assert_eq!(next().unwrap().unwrap(), login.len());
    assert!(next().is_none(), "it waits until the login was read");
    gate.set(limits(8_192));
    assert_eq!(next().unwrap().unwrap(), 5_010);
    assert!(next().is_none());
    assert!(next().unwrap().is_err());
    assert_eq!(gate.fault(), Some(FrameFault::FrameTooLong { declared: 1 << 20, limit: 8_192 }));
}

#[tokio::test]
async fn incomplete_long_frames_share_their_room() {
    let room = FrameRoom::new(100_000);
    let reader = |bytes: Vec<u8>| FrameReader::new(&b""[..], bytes.as_slice().into(), limits(1 << 20), &room);
    let mut bytes = Vec::new();
    let mut first = reader(frame(60_000, 100));
    assert_eq!(first.read_to_end(&mut bytes).await.unwrap(), 110);
    assert_eq!(room.free(), 40_000 - 10);
    // Complete frames release their space, and short ones need none.
    let mut others = [reader(frame(30_000, 30_000)), reader(frame(16_000, 1))];
    for other in &mut others {
        other.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(room.free(), 40_000 - 10);
    }
    let mut second = reader(frame(60_000, 100));
    let error = second.read_to_end(&mut bytes).await.unwrap_err();
    assert!(error.to_string().contains("room"), "{error}");
    drop(first);
    assert_eq!(room.free(), 100_000);
    assert!(second.read_to_end(&mut bytes).await.is_err(), "nothing follows a refused frame");
}

#[tokio::test]
async fn frames_before_a_rejected_frame_are_read() {
    let good = frame(3, 3);
    let sent = [good.clone(), frame(1 << 62, 500)].concat();
    let mut reader = FrameReader::new(&sent[20..], sent[..20].into(), limits(4_096), &FrameRoom::new(0));
    let mut bytes = Vec::new();
    let error = reader.read_to_end(&mut bytes).await.unwrap_err();
    let refusal = error.get_ref().unwrap().downcast_ref::<FrameRefusal>().unwrap();
    assert_eq!(*refusal, FrameFault::FrameTooLong { declared: 1 << 62, limit: 4_096 }.into());
    // The start of its header was part of the same read as the valid frame.
    assert_eq!(bytes, sent[..20]);
}
