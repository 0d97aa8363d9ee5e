//! The id of an order.

use std::{fmt, fmt::Write as _, str::FromStr};

use arrayvec::ArrayString;
use linecook::{DecodeError, Key};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The largest id, and with it the longest.
const LARGEST: &str = "340282366920938463463374607431768211455";

/// The id of an order: 128 bits, written as decimal text.
///
/// It is kept as that text, since each pizza passes one on in each topic, and nobody computes with it. Ids are ordered as
/// texts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(ArrayString<{ LARGEST.len() }>);

impl OrderId {
    /// The id with those bits.
    pub fn from_bits(bits: u128) -> Self {
        let mut text = ArrayString::new();
        write!(text, "{bits}").expect("the largest number of 128 bits fits");
        Self(text)
    }

    /// Its bits, worked out from the text.
    pub fn bits(&self) -> u128 {
        self.0.parse().expect("it is a number of 128 bits")
    }
}

/// Why a text is not the id of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnOrderId;

impl fmt::Display for NotAnOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an order id is a decimal number of at most 128 bits, without leading zeros")
    }
}

impl std::error::Error for NotAnOrderId {}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for OrderId {
    type Err = NotAnOrderId;

    /// One id has one text: the text is its key, and a key of another spelling would lie in another partition.
    fn from_str(text: &str) -> Result<Self, NotAnOrderId> {
        let fits = match text.len() {
            0 => false,
            length if length == LARGEST.len() => text <= LARGEST,
            length => length < LARGEST.len(),
        };
        // All are looked at whatever the first ones are, so that several can be at once.
        let is_number = text.bytes().fold(true, |is_number, byte| is_number & byte.is_ascii_digit());
        if !fits || !is_number || (text.starts_with('0') && text != "0") {
            return Err(NotAnOrderId);
        }
        ArrayString::from(text).map(Self).map_err(|_| NotAnOrderId)
    }
}

impl Key for OrderId {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let text = str::from_utf8(bytes).map_err(|_| DecodeError::new(NotAnOrderId.to_string()))?;
        text.parse().map_err(|error: NotAnOrderId| DecodeError::new(error.to_string()))
    }
}

impl Serialize for OrderId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for OrderId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = OrderId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&NotAnOrderId, f)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OrderId, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_text() {
        let powers = (0..39).map(|digits| 10_u128.pow(digits).to_string());
        for good in ["0", "7", LARGEST].map(str::to_owned).into_iter().chain(powers) {
            assert_eq!(good.parse::<OrderId>().unwrap().to_string(), good);
        }
        for number in [0, 1_u128, 12_345_678, 98_765_432_109_876_543, u128::MAX - 7, u128::MAX / 3, u128::MAX] {
            assert_eq!(number.to_string().parse(), Ok(OrderId::from_bits(number)));
            assert_eq!(OrderId::from_bits(number).bits(), number);
        }
        // What stands before 0 and behind 9, and more, at each place; one has two bytes.
        for wrong in ["/", ":", "a", "\u{b0}", "\0"] {
            for at in 0..=39 - wrong.len() {
                let mut text = "1".repeat(39);
                text.replace_range(at..at + wrong.len(), wrong);
                assert_eq!(text.parse::<OrderId>(), Err(NotAnOrderId), "{text:?}");
            }
        }
        for bad in ["", "00", "007", "+7", "-7", "7 ", "x", "340282366920938463463374607431768211456", &"9".repeat(60)]
        {
            assert_eq!(bad.parse::<OrderId>(), Err(NotAnOrderId), "{bad:?}");
        }
    }
}
