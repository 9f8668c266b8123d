use proptest::prelude::*;

use super::*;

const LIMITS: FrameLimits = FrameLimits { frame: 4_096, message: 4_096, total: None };

/// Writes a frame header. The headers of a client have a mask.
fn header(first: u8, length: u64, is_masked: bool) -> Vec<u8> {
    let mask = if is_masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(mask | u8::try_from(length).unwrap()),
        126..=0xffff => {
            bytes.push(mask | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(mask | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    if is_masked {
        bytes.extend([1, 2, 3, 4]);
    }
    bytes
}

fn frame(first: u8, payload: usize, is_masked: bool) -> Vec<u8> {
    let mut bytes = header(first, payload as u64, is_masked);
    bytes.resize(bytes.len() + payload, b'x');
    bytes
}

/// Feeds the input in pieces of these lengths. Returns how many bytes passed, where frames ended, and the fault.
fn run(bytes: &[u8], pieces: &[usize], limits: &FrameLimits) -> (usize, Vec<usize>, Option<FrameFault>) {
    let mut inspector = FrameInspector::default();
    let (mut at, mut ends, mut sizes) = (0, Vec::new(), pieces.iter().cycle());
    while at < bytes.len() {
        let end = (at + sizes.next().unwrap()).min(bytes.len());
        while at < end {
            match inspector.inspect(&bytes[at..end], limits) {
                Ok(passage) => {
                    assert!(passage.length > 0 && at + passage.length <= end);
                    at += passage.length;
                    if passage.ends_frame {
                        ends.push(at);
                    }
                }
                Err(fault) => {
                    assert_eq!(inspector.inspect(b"\x81\x00", limits), Err(fault), "nothing follows");
                    return (at, ends, Some(fault));
                }
            }
        }
    }
    (at, ends, None)
}

fn fault(bytes: &[u8], limits: &FrameLimits) -> Option<FrameFault> {
    run(bytes, &[usize::MAX / 2], limits).2
}

#[test]
fn every_length_over_the_limit_is_refused_with_its_header_alone() {
    for is_masked in [false, true] {
        for length in [4_097, 65_535, 65_536, 65_537, 1 << 32, 1 << 62, 1 << 63, u64::MAX] {
            let whole = header(0x82, length, is_masked);
            let mask = if is_masked { 4 } else { 0 };
            // The inspector does not wait for the mask after the length.
            let refused = fault(&whole[..whole.len() - mask], &LIMITS);
            assert_eq!(refused, Some(FrameFault::FrameTooLong { declared: length, limit: 4_096 }), "{length}");
        }
        for length in [0, 1, 125, 126, 4_096] {
            let bytes = frame(0x81, length, is_masked);
            assert_eq!(run(&bytes, &[1], &LIMITS), (bytes.len(), vec![bytes.len()], None), "{length}");
        }
    }
    // A length may use more bytes than necessary.
    let mut long = vec![0x82, 0x7f, 0, 0, 0, 0, 0, 0, 0, 5];
    long.extend(b"hello");
    assert_eq!(run(&long, &[3], &LIMITS), (15, vec![15], None));
}

#[test]
fn control_frames_have_their_own_limit_and_do_not_disturb_a_message() {
    for opcode in [0x88, 0x89, 0x8a] {
        assert_eq!(fault(&header(opcode, 126, true)[..2], &LIMITS), Some(FrameFault::ControlTooLong));
        assert_eq!(fault(&header(opcode, 1 << 40, true)[..2], &LIMITS), Some(FrameFault::ControlTooLong));
        assert_eq!(fault(&frame(opcode, 125, true), &LIMITS), None);
    }
    let mut bytes = frame(0x01, 4_000, true);
    bytes.extend(frame(0x89, 125, true));
    let mut inspector = FrameInspector::default();
    let mut at = 0;
    while at < bytes.len() {
        at += inspector.inspect(&bytes[at..], &LIMITS).unwrap().length;
    }
    assert_eq!(inspector.unfinished(), 4_000, "until the message is complete");
    bytes.extend(frame(0x80, 96, true));
    while at < bytes.len() {
        at += inspector.inspect(&bytes[at..], &LIMITS).unwrap().length;
    }
    assert_eq!(inspector.unfinished(), 0);
    bytes.extend(frame(0x81, 4_096, true));
    assert_eq!(fault(&bytes, &LIMITS), None);
}

#[test]
fn fragments_of_a_message_are_added_up() {
    let mut bytes = frame(0x01, 2_000, true);
    bytes.extend(frame(0x00, 2_000, true));
    bytes.extend(frame(0x89, 100, true));
    let before = bytes.len();
    bytes.extend(header(0x80, 97, true));
    let (at, ends, fault) = run(&bytes, &[usize::MAX / 2], &LIMITS);
    assert_eq!((at, ends.len(), fault), (before, 3, Some(FrameFault::MessageTooLong { limit: 4_096 })));
    // The next message starts counting at zero.
    bytes.truncate(before);
    bytes.extend(frame(0x80, 96, true));
    bytes.extend(frame(0x02, 4_096, true));
    bytes.extend(frame(0x80, 0, true));
    assert_eq!(run(&bytes, &[5], &LIMITS).2, None);
}

#[test]
fn all_frames_together_have_an_end_and_the_limits_may_change() {
    let limits = FrameLimits { total: Some(20), ..LIMITS };
    let ping = frame(0x89, 0, true);
    let many = ping.repeat(4);
    let (at, ends, fault) = run(&many, &[1], &limits);
    assert_eq!((ends.len(), fault), (3, Some(FrameFault::TotalTooLong { limit: 20 })));
    // The first byte of the rejected frame passes, because its length was not yet known.
    assert_eq!(at, 19);
    let mut inspector = FrameInspector::default();
    let bytes = frame(0x81, 5_000, true);
    assert!(inspector.clone().inspect(&bytes, &LIMITS).is_err());
    let known = FrameLimits { frame: 1 << 20, message: 1 << 20, total: None };
    assert_eq!(inspector.inspect(&bytes[..6], &known), Ok(Passage { length: 6, ends_frame: false }));
    assert_eq!(inspector.unfinished(), 5_008);
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    (
        any::<u8>(),
        prop_oneof![0..200_u64, 4_000..4_200_u64, 65_530..65_540_u64, any::<u64>()],
        any::<bool>(),
        0..300_usize,
    )
        .prop_map(|(first, length, is_masked, there)| {
            let mut bytes = header(first, length, is_masked);
            let payload = usize::try_from(length).unwrap_or(usize::MAX).min(5_000);
            // Most frames are complete.
            bytes.resize(bytes.len() + payload.saturating_sub(if there < 20 { there } else { 0 }), 0xa5);
            bytes
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn the_verdict_does_not_depend_on_the_pieces(
        frames in prop::collection::vec(any_frame(), 0..8),
        pieces in prop::collection::vec(1..6_000_usize, 1..20),
        total in prop::option::of(0..20_000_u64),
    ) {
        let bytes = frames.concat();
        let limits = FrameLimits { frame: 4_096, message: 6_000, total };
        let (whole, in_pieces) = (run(&bytes, &[usize::MAX / 2], &limits), run(&bytes, &pieces, &limits));
        prop_assert_eq!(&whole.1, &in_pieces.1, "where frames end");
        prop_assert_eq!(whole.2, in_pieces.2, "the verdict");
        // At most the start of the header of a rejected frame passes.
        prop_assert!(in_pieces.0 >= whole.0 && in_pieces.0 - whole.0 < 10);
        if whole.2.is_none() {
            prop_assert_eq!(whole.0, bytes.len());
        }
    }

    #[test]
    fn what_is_handed_on_is_what_a_framing_would_accept(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let (at, ends, _) = run(&bytes, &[7], &LIMITS);
        let mut from = 0;
        for end in ends {
            let short = bytes[from + 1] & 0x7f;
            prop_assert!(end - from <= 14 + 4_096 && (short < 126 || bytes[from] & 0x08 == 0));
            from = end;
        }
        prop_assert!(at - from <= 14 + 4_096);
    }
}
