//! Finished pizzas: what comes out at the end, and what is kept of it.

use std::borrow::Cow;

use linecook::{
    DecodeError, EncodeError, Event,
    bytes::{Buf, Bytes},
};
use pizzeria_events::OrderId;
use serde::Deserialize;

/// A pizza as it comes out at the end: its JSON as it is, which was looked through and is a pizza's, and its number.
///
/// Whatever is a [`Pizza`](pizzeria_events::Pizza) is one of these. Making the values of one, only to drop them, would take
/// half as long again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReturnedPizza {
    pub(crate) number: Option<u32>,
    pub(crate) json: Bytes,
}

impl Event for ReturnedPizza {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.json);
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let json = str::from_utf8(bytes).map_err(|_| DecodeError::new("the pizza is not UTF-8"))?;
        // serde takes a list for a struct as well, and would find the values by their order.
        if !json.trim_ascii_start().starts_with('{') {
            return Err(DecodeError::new("a pizza is an object"));
        }
        let fields: Fields<'_> = serde_json::from_str(json).map_err(|error| DecodeError::new(error.to_string()))?;
        Ok(Self { number: fields.number, json: Bytes::copy_from_slice(bytes) })
    }
}

/// What has to be in the JSON of a pizza. Its texts are borrowed from there, but for those with escapes.
#[derive(Deserialize)]
#[expect(dead_code, reason = "that they can be read is all that is wanted of most")]
struct Fields<'a> {
    order_id: OrderId,
    #[serde(borrow)]
    sauce: Cow<'a, str>,
    #[serde(borrow)]
    cheese: Cow<'a, str>,
    #[serde(borrow)]
    meats: Cow<'a, str>,
    #[serde(borrow)]
    veggies: Cow<'a, str>,
    number: Option<u32>,
}

/// A finished pizza of an order as it is kept and shown: which one, and its JSON as it came. What was checked once is not
/// read again for each who asks.
///
/// Stored: the number u32, little-endian, then the JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FinishedPizza {
    pub(crate) number: u32,
    pub(crate) json: Bytes,
}

impl Event for FinishedPizza {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend(self.number.to_le_bytes());
        out.extend_from_slice(&self.json);
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_shared(Bytes::copy_from_slice(bytes))
    }

    fn decode_shared(mut bytes: Bytes) -> Result<Self, DecodeError> {
        let wrong = || DecodeError::new("not a finished pizza");
        let number = bytes.try_get_u32_le().map_err(|_| wrong())?;
        str::from_utf8(&bytes).map_err(|_| wrong())?;
        Ok(Self { number, json: bytes })
    }
}

#[cfg(test)]
mod tests {
    use pizzeria_events::Pizza;

    use super::*;

    #[test]
    fn what_is_a_pizza_elsewhere_is_one_here_and_nothing_else_is() {
        let fields = |number: &str, more: &str| {
            format!(
                r#"{{"order_id":"7","sauce":"\"hot\" ü","cheese":"","meats":"a & b","veggies":"","number":{number}{more}}}"#
            )
        };
        for (json, number) in [
            (fields("3", r#","price":1e400"#), Some(3)),
            (fields("null", ""), None),
            (r#"{"order_id":"7","sauce":"","cheese":"","meats":"","veggies":""}"#.to_owned(), None),
        ] {
            assert_eq!(Pizza::decode(json.as_bytes()).unwrap().number, number, "{json}");
            let pizza = ReturnedPizza::decode(json.as_bytes()).unwrap();
            assert_eq!((pizza.number, &*pizza.json), (number, json.as_bytes()));
            let mut bytes = Vec::new();
            pizza.encode(&mut bytes).unwrap();
            assert_eq!(bytes, json.as_bytes());
        }
        for json in [
            fields("-1", ""),
            fields("1.5", ""),
            fields("4294967296", ""),
            fields("1", r#","number":2"#),
            fields("1", r#","sauce":"again""#),
            fields("1", r#","price":"#),
            format!("{}x", fields("1", "")),
            r#"{"order_id":"07","sauce":"","cheese":"","meats":"","veggies":""}"#.to_owned(),
            r#"{"order_id":7,"sauce":"","cheese":"","meats":"","veggies":""}"#.to_owned(),
            r#"{"order_id":"7","sauce":null,"cheese":"","meats":"","veggies":""}"#.to_owned(),
            r#"{"order_id":"7","cheese":"","meats":"","veggies":""}"#.to_owned(),
            r#"["7","","","","",1]"#.to_owned(),
            "{}".to_owned(),
            String::new(),
        ] {
            assert!(Pizza::decode(json.as_bytes()).is_err(), "{json}");
            assert!(ReturnedPizza::decode(json.as_bytes()).is_err(), "{json}");
        }
        assert!(ReturnedPizza::decode(b"{\"order_id\":\"7\",\"sauce\":\"\xff\"}").is_err());
    }

    /// A change of these bytes is a change of what is stored: old rows must stay readable.
    #[test]
    fn the_stored_form_has_not_changed() {
        let pizza = FinishedPizza { number: 9, json: Bytes::from_static(b"{}") };
        let mut bytes = Vec::new();
        pizza.encode(&mut bytes).unwrap();
        assert_eq!(bytes, b"\x09\0\0\0{}");
        assert_eq!(FinishedPizza::decode(&bytes), Ok(pizza));
        for damaged in [&b"\x09\0\0"[..], b"\x09\0\0\0{\xff}"] {
            assert!(FinishedPizza::decode(damaged).is_err(), "{damaged:?}");
        }
    }
}
