//! The RC4 stream cipher, because innovaphone's AppWebsocket and sysclient protocols are built on it. It hides
//! values from a casual reader and nothing more; confidentiality comes from TLS.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// One run of the key stream. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Rc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    /// Schedules a key. RC4 takes at most 256 bytes of it; an empty key gives the unshuffled state.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        let mut state = [0_u8; 256];
        for (value, slot) in (0..=255_u8).zip(state.iter_mut()) {
            *slot = value;
        }
        if !key.is_empty() {
            let mut j = 0_u8;
            for (i, key_byte) in key.iter().cycle().take(256).enumerate() {
                j = j.wrapping_add(state[i]).wrapping_add(*key_byte);
                state.swap(i, usize::from(j));
            }
        }
        Self { state, i: 0, j: 0 }
    }

    /// Encrypts or decrypts `data` in place: both are the same operation.
    pub fn apply(&mut self, data: &mut [u8]) {
        for byte in data {
            self.i = self.i.wrapping_add(1);
            let a = self.state[usize::from(self.i)];
            self.j = self.j.wrapping_add(a);
            let b = self.state[usize::from(self.j)];
            self.state.swap(usize::from(self.i), usize::from(self.j));
            *byte ^= self.state[usize::from(a.wrapping_add(b))];
        }
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_well_known_vectors_hold() {
        for (key, plain, cipher) in [
            ("Key", "Plaintext", "bbf316e8d940af0ad3"),
            ("Wiki", "pedia", "1021bf0420"),
            ("Secret", "Attack at dawn", "45a01f645fc35b383552544b9bf5"),
        ] {
            let mut data = plain.as_bytes().to_vec();
            Rc4::new(key.as_bytes()).apply(&mut data);
            assert_eq!(HEXLOWER.encode(&data), cipher);
        }
    }

    proptest! {
        #[test]
        fn twice_is_nothing_and_pieces_make_the_whole(key: Vec<u8>, data: Vec<u8>, cut: prop::sample::Index) {
            let mut whole = data.clone();
            Rc4::new(&key).apply(&mut whole);
            let cut = if data.is_empty() { 0 } else { cut.index(data.len()) };
            let mut pieces = data.clone();
            let mut cipher = Rc4::new(&key);
            let (front, back) = pieces.split_at_mut(cut);
            cipher.apply(front);
            cipher.apply(back);
            prop_assert_eq!(&pieces, &whole);
            Rc4::new(&key).apply(&mut whole);
            prop_assert_eq!(whole, data);
        }
    }
}
