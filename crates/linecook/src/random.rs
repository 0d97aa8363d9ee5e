//! Chance that is the same at every replay.

use std::cell::Cell;

use linecook_log::{Offset, Partition};

/// A small deterministic generator, seeded by the stage and the place of the record in hand: a replay of the record
/// draws the same numbers.
///
/// It is our own twenty lines (SplitMix64 by Sebastiano Vigna, public domain) because what it draws is part of what
/// services have written: no update of a dependency may change it. It is not for secrets.
///
/// ```
/// use linecook::Random;
///
/// let random = Random::seeded(7);
/// let sauce = random.choose(&["extra", "light", "normal"]);
/// assert_eq!(Random::seeded(7).choose(&["extra", "light", "normal"]), sauce);
/// ```
#[derive(Debug, Clone)]
pub struct Random(Cell<u64>);

impl Random {
    /// The generator of that seed.
    pub const fn seeded(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// 64 random bits.
    pub fn u64(&self) -> u64 {
        let state = self.0.get().wrapping_add(GOLDEN_GAMMA);
        self.0.set(state);
        mixed(state)
    }

    /// A number from 0 up to, but without, `end`; each is equally likely.
    ///
    /// # Panics
    /// When `end` is 0.
    pub fn below(&self, end: u64) -> u64 {
        assert!(end > 0, "there is no number below 0");
        // Lemire's method: the high half of the product is the number; a low half below 2^64 modulo `end` would make
        // some numbers likelier than others, and is drawn again.
        let surplus = end.wrapping_neg() % end;
        loop {
            let product = u128::from(self.u64()) * u128::from(end);
            if low(product) >= surplus {
                return high(product);
            }
        }
    }

    /// One of `all`, each equally likely.
    ///
    /// # Panics
    /// When there are none.
    pub fn choose<'a, T>(&self, all: &'a [T]) -> &'a T {
        &all[self.index_below(all.len())]
    }

    /// `count` different ones of `all`, or all if there are fewer, in the order of the slice; each choice is equally
    /// likely. It allocates nothing.
    pub fn sample<'a, T>(&self, all: &'a [T], count: usize) -> impl Iterator<Item = &'a T> {
        let mut wanted = count.min(all.len());
        all.iter().enumerate().filter_map(move |(index, item)| {
            let is_chosen = wanted > 0 && self.index_below(all.len() - index) < wanted;
            wanted -= usize::from(is_chosen);
            is_chosen.then_some(item)
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is below a usize")]
    fn index_below(&self, end: usize) -> usize {
        self.below(end as u64) as usize
    }
}

/// The seed of a stage's records of one topic: what does not change from record to record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StageSeed(u64);

impl StageSeed {
    pub(crate) fn new(service: &str, stage: &str, topic: &str) -> Self {
        // 0xff is in no name, so it keeps the names apart.
        let texts = [service, stage, topic];
        Self(fnv_1a(texts.iter().flat_map(|text| text.bytes().chain([0xff]))))
    }

    pub(crate) fn record(self, partition: Partition, offset: Offset) -> Random {
        let place = mixed(self.0 ^ mixed(u64::from(partition.0).wrapping_add(GOLDEN_GAMMA)));
        Random::seeded(mixed(place ^ offset.0.wrapping_mul(GOLDEN_GAMMA)))
    }

    /// For what is decided about an attempt at the record: other numbers than its handler draws.
    pub(crate) fn attempt(self, partition: Partition, offset: Offset, attempt: u16) -> Random {
        let record = self.record(partition, offset).u64();
        Random::seeded(mixed(record ^ u64::from(attempt).wrapping_mul(GOLDEN_GAMMA)))
    }
}

/// A hash that is the same for ever: it is in what was written.
pub(crate) fn hashed(bytes: &[u8]) -> u64 {
    fnv_1a(bytes.iter().copied())
}

/// The hash of Glenn Fowler, Landon Curt Noll and Kiem-Phong Vo.
fn fnv_1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64: every bit of the input changes half of the output.
const fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

const fn high(product: u128) -> u64 {
    (product >> 64) as u64
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn low(product: u128) -> u64 {
    product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The published vector of seed 1234567.
        let random = Random::seeded(1_234_567);
        let drawn = [random.u64(), random.u64(), random.u64()];
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    /// A change of this test's values is a change of every pizza ever baked.
    #[test]
    fn what_a_record_draws_has_not_changed() {
        let seed = StageSeed::new("sauce-service", "pizza-with-sauce", "pizza");
        let random = seed.record(Partition(3), Offset(41));
        let drawn = [random.u64(), random.below(6), random.below(1_000_000)];
        assert_eq!(drawn, [3_912_897_157_616_851_232, 5, 391_645]);
        let letters: Vec<_> = (b'a'..=b'z').map(char::from).collect();
        let sample: String = random.sample(&letters, 5).collect();
        assert_eq!((random.choose(&letters), sample.as_str()), (&'l', "opqsx"));
    }

    #[test]
    fn service_stage_topic_partition_and_offset_each_change_what_is_drawn() {
        let first = |names: [&str; 3], partition, offset| {
            let [service, stage, topic] = names;
            StageSeed::new(service, stage, topic).record(Partition(partition), Offset(offset)).u64()
        };
        let mut drawn = vec![
            first(["a", "b", "c"], 0, 0),
            first(["ab", "", "c"], 0, 0),
            first(["a", "bc", ""], 0, 0),
            first(["a", "b", "d"], 0, 0),
            first(["a", "b", "c"], 1, 0),
            first(["a", "b", "c"], 0, 1),
        ];
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 6);
    }

    #[test]
    fn every_number_below_is_about_equally_likely() {
        let random = Random::seeded(1);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[random.index_below(6)] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_sample_has_no_repeats_and_every_item_its_chance() {
        let random = Random::seeded(2);
        let all = [0_usize, 1, 2, 3, 4, 5, 6, 7];
        let mut counts = [0_u32; 8];
        for _ in 0..8_000 {
            let sample: Vec<_> = random.sample(&all, 3).copied().collect();
            assert_eq!(sample.len(), 3);
            assert!(sample.is_sorted_by(|a, b| a < b), "{sample:?}");
            sample.iter().for_each(|item| counts[*item] += 1);
        }
        assert!(counts.iter().all(|count| (2_750..3_250).contains(count)), "{counts:?}");
        assert_eq!(random.sample(&all, 20).count(), 8);
        assert_eq!(random.sample(&all, 0).count(), 0);
    }
}
