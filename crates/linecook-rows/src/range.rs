//! Which rows a scan yields.

/// A contiguous range of row keys, in the order of their bytes.
///
/// ```
/// use linecook_rows::KeyRange;
///
/// // A page of an order's pizzas: those behind the last one that was shown.
/// let page = KeyRange::prefix("order-7/").after("order-7/pizza-99");
/// assert!(page.contains("order-7/pizza-991"));
/// assert!(!page.contains("order-7/pizza-99"));
/// assert!(!page.contains("order-8/"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key of the range. "Behind a key" is its successor, which is the key and a zero byte; so one kind of
    /// bound is enough.
    start: Vec<u8>,
    /// The first key behind the range; `None` is no end.
    end: Option<Vec<u8>>,
}

impl KeyRange {
    /// All rows.
    pub fn all() -> Self {
        Self { start: Vec::new(), end: None }
    }

    /// The rows whose key begins with `prefix`.
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Self {
        let prefix = prefix.as_ref();
        Self { start: prefix.to_vec(), end: end_of_prefix(prefix) }
    }

    /// Those of the range whose key is greater than `key`.
    #[must_use]
    pub fn after(mut self, key: impl AsRef<[u8]>) -> Self {
        let successor = [key.as_ref(), &[0]].concat();
        if successor > self.start {
            self.start = successor;
        }
        self
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: impl AsRef<[u8]>) -> bool {
        let key = key.as_ref();
        key >= &self.start[..] && self.end.as_ref().is_none_or(|end| key < &end[..])
    }

    /// Whether no key can lie in the range, as behind the last key of a prefix.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    pub(crate) fn start(&self) -> &[u8] {
        &self.start
    }

    pub(crate) fn end(&self) -> Option<&[u8]> {
        self.end.as_deref()
    }
}

/// The first key behind all that begin with `prefix`: its last byte that can grow does, what follows is cut off.
fn end_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_of_largest_bytes_ends_behind_the_last_smaller_one() {
        assert_eq!(end_of_prefix(&[7, 255, 255]), Some(vec![8]));
        assert_eq!(end_of_prefix(&[255, 255]), None);
        assert_eq!(end_of_prefix(&[]), None);
        assert!(KeyRange::prefix([255]).contains([255, 255, 255]));
    }

    #[test]
    fn a_page_behind_the_prefix_is_empty() {
        let range = KeyRange::prefix("a").after("b");
        assert!(range.is_empty());
        assert!(!range.contains("c"));
    }

    #[test]
    fn a_page_that_begins_before_the_prefix_is_the_whole_prefix() {
        assert_eq!(KeyRange::prefix("b").after("a"), KeyRange::prefix("b"));
    }
}
