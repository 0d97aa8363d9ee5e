//! Items of an entry: where they lie, and how they are read.

use bytes::Bytes;

use super::*;
use crate::{DecodeError, EncodeError, Event};

#[test]
fn small_items_lie_beside_their_state() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 9)]);
    let made = fixture.handle([done("7", 20, &["a", "b"]), done("7", 22, &["c"])]);
    assert_eq!(made.rows.len(), 1);
    fixture.handle([done("7", 23, &["d"])]);
    let reader = reader(&fixture);
    assert_eq!(reader.get_with_items(&"7".to_owned()).unwrap(), found(5, &["a", "b", "c", "d"]));
    assert_eq!(reader.items(&"7".to_owned()).unwrap().len(), 4);
    assert!(reader.caught_up(&ORDERS, &"7".to_owned()).is_ok());
}

/// Each row has what lay beside the state and what came when that was too much; so there are fewer rows than commits. Twelve
/// items are more rows than are asked for one by one.
#[test]
fn items_that_are_too_much_to_lie_beside_their_state_have_rows_and_keep_their_order() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 26)]);
    let names: Vec<_> = ('a'..='z').map(|name| long(&name.to_string())).collect();
    for (offset, name) in (0..).zip(&names) {
        let made = fixture.handle([done("7", offset, &[name])]);
        let number = u32::try_from(offset / 2).unwrap();
        match offset % 2 {
            0 => assert_eq!(made.rows.len(), 1, "beside its state"),
            _ => assert!(made.rows.len() == 2 && made.rows[0].key.ends_with(&number.to_be_bytes())),
        }
        let expected: Vec<_> = names[..=usize::try_from(offset).unwrap()].iter().map(String::as_str).collect();
        let found_now = reader(&fixture).get_with_items(&"7".to_owned()).unwrap();
        assert_eq!(found_now, found(25 - offset, &expected));
    }
    assert_eq!(fixture.log.rows_of(&PROGRESS.log_name()).len(), 13 + 2, "items, the state, and when it expires");
}

#[test]
fn items_are_read_where_the_state_wants_them() {
    let mut fixture = fixture();
    fixture.handle([order("7", 0, 9)]);
    fixture.handle([done("7", 0, &["a"])]);
    let (reader, seven) = (reader(&fixture), "7".to_owned());
    let read = |limit| reader.get_with_items_if(&seven, |left| *left < limit).unwrap();
    assert_eq!(read(9), Some((8, Some(vec!["a".to_owned()]))));
    assert_eq!(read(8), Some((8, None)));
    assert_eq!(reader.get_with_items_if(&"8".to_owned(), |_| true).unwrap(), None);
}

/// An item that is its encoding.
struct Kept(Bytes);

impl Event for Kept {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.0);
        Ok(())
    }

    fn decode(_bytes: &[u8]) -> Result<Self, DecodeError> {
        Err(DecodeError::new("it would have to be copied"))
    }

    fn decode_shared(bytes: Bytes) -> Result<Self, DecodeError> {
        Ok(Self(bytes))
    }
}

/// Beside the state, and in a row of their own.
#[test]
fn an_item_can_share_the_bytes_of_its_row() {
    for name in ["a", &long("ab")] {
        let mut fixture = fixture();
        fixture.handle([order("7", 0, 9)]);
        let made = fixture.handle([done("7", 0, &[name, ""])]);
        assert_eq!(made.rows.len(), if name == "a" { 1 } else { 2 });
        let reader = TableReader::<String, u64, Kept>::new(Arc::new(fixture.log.clone()), 2);
        let items = reader.items(&"7".to_owned()).unwrap();
        let [Kept(first), Kept(second)] = &items[..] else { panic!("two were pushed") };
        assert_eq!((&first[..], &second[..]), (format!("{name:?}").as_bytes(), &br#""""#[..]));
        let length_bytes = 4;
        let apart = second.as_ptr() as usize - first.as_ptr() as usize;
        assert_eq!(apart, first.len() + length_bytes, "as they lie in the row");
    }
}
