//! Which partition a key belongs to: as Kafka's Java client computes it, on every log.

use crate::Partition;

/// The partition of `key` in a topic of `partition_count` partitions: murmur2 of the key, the sign bit cleared, modulo
/// the count (`DefaultPartitioner` of Apache Kafka's Java client, whose vectors are under test).
///
/// # Panics
/// When `partition_count` is 0: no topic has none.
pub fn partition_of(key: &[u8], partition_count: u32) -> Partition {
    assert!(partition_count > 0, "a topic has at least one partition");
    Partition((murmur2(key) & 0x7fff_ffff) % partition_count)
}

/// MurmurHash2 by Austin Appleby (public domain), with Kafka's seed.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    #[expect(clippy::cast_possible_truncation, reason = "the algorithm takes the length modulo 2^32")]
    let mut hash = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    for (index, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * index);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_kafkas_java_client() {
        // The vectors of `UtilsTest.testMurmur2` in Apache Kafka.
        let vectors: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2(key).cast_signed(), hash, "{key:?}");
        }
    }

    /// 296 keys of all lengths to 72 and some long ones, of any bytes, with partition counts to the largest there is.
    #[test]
    fn keys_go_where_kafkas_java_client_puts_them() {
        let vectors: Vec<_> = include_str!("partitioner/vectors.txt").lines().collect();
        assert_eq!(vectors.len(), 296);
        for vector in vectors {
            let fields: Vec<_> = vector.split(' ').collect();
            let [key, hash, partition_count, partition] = fields[..] else { panic!("not four fields: {vector}") };
            let key = bytes_of(key);
            assert_eq!(murmur2(&key).cast_signed(), hash.parse().unwrap(), "{vector}");
            let expected = Partition(partition.parse().unwrap());
            assert_eq!(partition_of(&key, partition_count.parse().unwrap()), expected, "{vector}");
        }
    }

    fn bytes_of(hex: &str) -> Vec<u8> {
        let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
        assert!(rest.is_empty() || hex == "-", "{hex}");
        pairs.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }
}
