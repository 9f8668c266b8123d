//! Mutates inputs deterministically: the same seed yields the same mutations on every machine.

/// Bytes that are often significant to parsers.
const TOKENS: &[u8] = b"\0\x01\x02\x7f\x80\xff\n\r\t \"'\\/:;,=%<>{}[]&";
const LONGEST: usize = 16 * 1024;

/// Derives inputs from existing ones.
pub struct Mutator(u64);

impl Mutator {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`, which must not be 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % end as u64).unwrap()
    }

    fn span(&mut self, length: usize) -> std::ops::Range<usize> {
        let (a, b) = (self.below(length + 1), self.below(length + 1));
        a.min(b)..a.max(b).min(a.min(b) + 64)
    }

    /// Returns one of the inputs with one to four changes.
    pub fn next(&mut self, inputs: &[&[u8]]) -> Vec<u8> {
        let start = self.below(inputs.len());
        let mut input = inputs[start].to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut input, inputs);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, inputs: &[&[u8]]) {
        let at = self.below(input.len() + 1);
        match self.below(7) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = TOKENS[self.below(TOKENS.len())],
            2 => input.insert(at, TOKENS[self.below(TOKENS.len())]),
            3 => drop(input.drain(self.span(input.len()))),
            4 => {
                let part = input[self.span(input.len())].to_vec();
                input.splice(at..at, part);
            }
            5 => {
                let number = self.below(inputs.len());
                let other = inputs[number];
                let part = other[self.span(other.len())].to_vec();
                input.splice(at..at, part);
            }
            _ => input.truncate(at),
        }
    }
}
