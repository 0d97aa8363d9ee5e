//! Events in JSON, as others write them.

use linecook::{Event, Key};
use pizzeria_events::{Order, OrderId, Pizza};
use serde_json::value::RawValue;

use crate::Check;

/// Nothing that is no JSON is an event; what is one is the same when it was written and read again, and keeps what is not
/// known here.
pub(super) fn begin() -> Check {
    Box::new(|bytes| {
        check::<Pizza>(bytes);
        check::<Order>(bytes);
        if let Ok(id) = <OrderId as Key>::decode(bytes) {
            let mut again = Vec::new();
            Key::encode(&id, &mut again);
            assert_eq!(again, bytes, "an id has one spelling");
        }
    })
}

fn check<E: Event + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(event) = E::decode(bytes) else { return };
    serde_json::from_slice::<&RawValue>(bytes).expect("what is no JSON is no event");
    let mut written = Vec::new();
    event.encode(&mut written).expect("what was read can be written");
    serde_json::from_slice::<&RawValue>(&written).expect("what was written is JSON");
    assert_eq!(E::decode(&written).expect("what was written can be read"), event);
}
