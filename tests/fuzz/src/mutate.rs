//! Inputs from inputs.

/// Numbers at which readers go wrong, by their lowest bytes.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

/// The most changes that are made to an input.
const CHANGES: u64 = 8;
/// What is longer is cut: what goes wrong with much goes wrong with less, and sooner.
const LONGEST: usize = 64 << 10;

/// Makes inputs: each of the seed and its number alone.
#[derive(Debug)]
pub struct Mutator {
    corpus: Vec<Vec<u8>>,
    input: Vec<u8>,
}

impl Mutator {
    /// One that makes inputs from these.
    ///
    /// # Panics
    /// When there are none.
    pub fn new(corpus: Vec<Vec<u8>>) -> Self {
        assert!(!corpus.is_empty(), "inputs are made from others");
        Self { corpus, input: Vec::new() }
    }

    /// The input of that number.
    pub fn make(&mut self, seed: u64, number: u64) -> &[u8] {
        // Mixed, or the streams of two numbers would be one, some draws apart.
        let mut dice = Dice(mixed(mixed(seed) ^ number));
        let chosen = dice.below(self.corpus.len());
        self.input.clone_from(&self.corpus[chosen]);
        for _ in 0..=dice.next() % CHANGES {
            self.change(&mut dice);
        }
        self.input.truncate(LONGEST);
        &self.input
    }

    fn change(&mut self, dice: &mut Dice) {
        let input = &mut self.input;
        let at = dice.below(input.len() + 1);
        let length = dice.below(input.len() + 1 - at).min(1 << dice.below(10));
        match dice.below(8) {
            0 => drop(input.drain(at..at + length)),
            1 => {
                let copy = input[at..at + length].to_vec();
                let to = dice.below(input.len() + 1);
                input.splice(to..to, copy);
            }
            2 => input.truncate(at),
            3 => {
                let other = &self.corpus[dice.below(self.corpus.len())];
                let from = dice.below(other.len() + 1);
                let part = other[from..from + dice.below(other.len() + 1 - from)].to_vec();
                input.splice(at..at + length, part);
            }
            4 => {
                let (edge, width) = (EDGES[dice.below(EDGES.len())], 1 << dice.below(4));
                let bytes = edge.to_le_bytes();
                let end = (at + width).min(input.len());
                input[at..end].copy_from_slice(&bytes[..end - at]);
            }
            5 => input.insert(at, dice.byte()),
            6 if at < input.len() => input[at] ^= 1 << dice.below(8),
            _ if at < input.len() => input[at] = dice.byte(),
            _ => input.push(dice.byte()),
        }
    }
}

/// Chance that is the same everywhere: SplitMix64, by Sebastiano Vigna.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// From 0 up to, but without, `count`, which is not 0.
    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count as u64).expect("it is less than a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_comes_again_by_its_seed_and_number() {
        let corpus = vec![b"one".to_vec(), b"another".to_vec(), Vec::new()];
        let (mut first, mut second) = (Mutator::new(corpus.clone()), Mutator::new(corpus));
        let made: Vec<_> = (0..1_000).map(|number| first.make(7, number).to_vec()).collect();
        for number in (0..1_000).rev() {
            assert_eq!(second.make(7, number), made[usize::try_from(number).unwrap()]);
        }
        let other: Vec<_> = (0..1_000).map(|number| first.make(8, number).to_vec()).collect();
        assert!(made.iter().zip(&other).filter(|(one, other)| one == other).count() < 200);
    }

    #[test]
    fn inputs_are_of_every_length_and_none_is_endless() {
        let mut mutator = Mutator::new(vec![vec![b'x'; LONGEST]]);
        let lengths: Vec<_> = (0..2_000).map(|number| mutator.make(1, number).len()).collect();
        assert!(lengths.iter().any(|length| *length < 1_000) && lengths.iter().all(|length| *length <= LONGEST));
    }
}
