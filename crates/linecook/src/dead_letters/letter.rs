//! What is told of a record that waits, and which of them are meant.

use std::cmp::Ordering;

use linecook_log::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::RecordId;

/// A record that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) id: RecordId,
    pub(crate) state: State,
    /// As text where it is UTF-8, else a list of bytes.
    pub(crate) key: Value,
    /// Why it failed last; empty, if it was not tried.
    pub(crate) reason: String,
    /// How often it was tried.
    pub(crate) attempts: u16,
    /// Milliseconds since 1970; not there, if it was not tried.
    pub(crate) first_failed_at: Option<i64>,
    pub(crate) last_failed_at: Option<i64>,
    /// How many records of its key wait behind it.
    pub(crate) behind: usize,
}

impl Letter {
    /// Who has failed first comes first.
    pub(super) fn in_order_of_failure(&self, other: &Self) -> Ordering {
        (self.last_failed_at, &self.id).cmp(&(other.last_failed_at, &other.id))
    }
}

/// What a record waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Somebody's redrive.
    Parked,
    /// The time at which it is tried again.
    Retrying,
    /// Those of its key before it.
    Behind,
}

/// A letter with what its record is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Detail {
    #[serde(flatten)]
    pub(crate) letter: Letter,
    /// Of the record, milliseconds since 1970.
    pub(crate) timestamp: i64,
    /// As the key is shown.
    pub(crate) value: Value,
    /// Name and value of each.
    pub(crate) headers: Vec<(String, Value)>,
    /// All records of its key that wait, itself included, in their order.
    pub(crate) waiting: Vec<RecordId>,
}

/// Which letters are meant: those of which all that is said holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Selection {
    /// One of these.
    pub(crate) ids: Vec<RecordId>,
    /// Of that key.
    pub(crate) key: Option<String>,
    /// Whose reason has that in it.
    pub(crate) reason: Option<String>,
    /// That failed then or later, milliseconds since 1970.
    pub(crate) since: Option<i64>,
    /// Any.
    pub(crate) all: bool,
    /// So many at most: those that have waited for the longest time.
    pub(crate) max: Option<usize>,
    /// Nothing is to be done; what would be is told.
    pub(crate) dry_run: bool,
}

impl Selection {
    /// That it is said which are meant: nobody is to redrive all by having forgotten something.
    pub(crate) fn is_given(&self) -> bool {
        // Every reason has nothing in it: who gives that has forgotten to fill something in.
        let reason = self.reason.as_ref().is_some_and(|reason| !reason.is_empty());
        self.all || !self.ids.is_empty() || self.key.is_some() || reason || self.since.is_some()
    }

    pub(crate) fn has(&self, letter: &Letter) -> bool {
        let Self { ids, key, reason, since, all: _, max: _, dry_run: _ } = self;
        (ids.is_empty() || ids.contains(&letter.id))
            && key.as_ref().is_none_or(|key| letter.key.as_str() == Some(key))
            && reason.as_ref().is_none_or(|reason| letter.reason.contains(reason.as_str()))
            && since.is_none_or(|since| letter.last_failed_at.is_some_and(|failed_at| failed_at >= since))
    }
}

/// Bytes as text where they are UTF-8, else as a list.
pub(crate) fn shown(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Null, |bytes| str::from_utf8(bytes).map_or_else(|_| json!(bytes), |text| json!(text)))
}

/// A time as a letter tells it.
pub(super) fn told(at: Timestamp, was_tried: bool) -> Option<i64> {
    was_tried.then_some(at.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            id: "oven/baked/pizza/0/7".parse().unwrap(),
            state: State::Parked,
            key: json!("12"),
            reason: "the oven is cold".to_owned(),
            attempts: 3,
            first_failed_at: Some(1_000),
            last_failed_at: Some(5_000),
            behind: 2,
        }
    }

    #[test]
    fn all_that_is_said_has_to_hold() {
        let of = |change: fn(&mut Selection)| {
            let mut selection = Selection::default();
            change(&mut selection);
            (selection.is_given(), selection.has(&letter()))
        };
        assert_eq!(of(|_| {}), (false, true));
        assert_eq!(of(|it| it.all = true), (true, true));
        assert_eq!(of(|it| it.key = Some("12".to_owned())), (true, true));
        assert_eq!(of(|it| it.key = Some("1".to_owned())), (true, false));
        assert_eq!(of(|it| it.reason = Some("cold".to_owned())), (true, true));
        assert_eq!(of(|it| (it.reason, it.key) = (Some("cold".into()), Some("7".into()))), (true, false));
        assert_eq!(of(|it| it.since = Some(5_000)), (true, true));
        assert_eq!(of(|it| it.since = Some(5_001)), (true, false));
        assert_eq!(of(|it| it.ids = vec!["oven/baked/pizza/0/8".parse().unwrap()]), (true, false));
    }

    #[test]
    fn what_is_no_text_is_a_list_of_bytes() {
        assert_eq!(
            [shown(None), shown(Some(b"a")), shown(Some(b"\xff\x01"))],
            [json!(null), json!("a"), json!([255, 1])]
        );
    }
}
