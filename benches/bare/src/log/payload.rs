//! What a frame carries: compressed and checksummed before the commit lock is taken.

use std::io;

use bytes::Bytes;

use crate::record::length;

/// Below this bytes are stored as they are: compressing them saves less than it costs.
const COMPRESS_FROM_BYTES: usize = 256;

/// Bytes as they are written.
pub(super) struct Stored {
    pub(super) bytes: Bytes,
    pub(super) seal: Seal,
}

/// What is needed to read them back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seal {
    pub(super) stored_bytes: u32,
    pub(super) raw_bytes: u32,
    pub(super) crc: u32,
}

pub(super) fn store(raw: Bytes) -> Stored {
    let raw_bytes = length(raw.len());
    let bytes = compress(raw);
    let seal = Seal { stored_bytes: length(bytes.len()), raw_bytes, crc: crc32c::crc32c(&bytes) };
    Stored { bytes, seal }
}

fn compress(raw: Bytes) -> Bytes {
    if raw.len() >= COMPRESS_FROM_BYTES {
        let compressed = lz4_flex::block::compress(&raw);
        if compressed.len() < raw.len() {
            return compressed.into();
        }
    }
    raw
}

pub(super) fn load(stored: Vec<u8>, seal: Seal) -> io::Result<Bytes> {
    if crc32c::crc32c(&stored) != seal.crc {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what was read is not what was written"));
    }
    if seal.stored_bytes == seal.raw_bytes {
        return Ok(stored.into());
    }
    let raw = lz4_flex::block::decompress(&stored, seal.raw_bytes as usize);
    raw.map(Bytes::from).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::{load, store};
    use bytes::Bytes;

    #[test]
    fn what_is_stored_is_loaded_again_compressed_or_not() {
        for raw in [Bytes::from_static(b"short"), Bytes::from(vec![7; 10_000])] {
            let stored = store(raw.clone());
            assert_eq!(load(stored.bytes.to_vec(), stored.seal).unwrap(), raw);
        }
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let stored = store(Bytes::from(vec![7; 10_000]));
        let mut bytes = stored.bytes.to_vec();
        bytes[3] ^= 1;
        assert!(load(bytes, stored.seal).is_err());
    }
}
