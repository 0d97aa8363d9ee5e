//! Records in a batch: key length u32, value length u32, key, value.

const HEAD_BYTES: usize = 8;

/// Appends a record whose value is written in place.
pub(crate) fn put(out: &mut Vec<u8>, key: &[u8], write_value: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    out.extend_from_slice(key);
    let value_begin = out.len();
    write_value(out);
    let value_bytes = out.len() - value_begin;
    out[begin..begin + 4].copy_from_slice(&length(key.len()).to_le_bytes());
    out[begin + 4..begin + 8].copy_from_slice(&length(value_bytes).to_le_bytes());
}

/// The keys and values of a batch, in order.
pub(crate) fn iter(mut batch: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (key_bytes, rest) = batch.split_first_chunk::<4>()?;
        let (value_bytes, rest) = rest.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at(u32::from_le_bytes(*key_bytes) as usize);
        let (value, rest) = rest.split_at(u32::from_le_bytes(*value_bytes) as usize);
        batch = rest;
        Some((key, value))
    })
}

/// The length of something that is far below the limit of a batch.
pub(crate) fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a batch is far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::{iter, put};

    #[test]
    fn a_batch_gives_back_what_was_put_into_it() {
        let mut batch = Vec::new();
        put(&mut batch, b"a", |out| out.extend_from_slice(b"first"));
        put(&mut batch, b"", |_| ());
        let records: Vec<_> = iter(&batch).collect();
        assert_eq!(records, [(&b"a"[..], &b"first"[..]), (b"", b"")]);
    }
}
