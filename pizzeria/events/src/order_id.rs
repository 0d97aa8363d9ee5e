//! The id of an order.

use std::{fmt, io::Write, str::FromStr};

use linecook::{DecodeError, Key};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The id of an order: 128 bits, written as decimal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(pub u128);

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
        let is_canonical = text == "0" || !text.starts_with('0');
        let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_canonical || !is_decimal {
            return Err(NotAnOrderId);
        }
        // In parts that fit 64 bits: every pizza has an id in every topic, and arithmetic in 128 bits shows.
        let mut number: u128 = 0;
        for part in text.as_bytes().chunks(DIGITS_OF_64_BITS) {
            let digits = part.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
            let power = 10_u128.pow(u32::try_from(part.len()).expect("at most 19"));
            let shifted = number.checked_mul(power).ok_or(NotAnOrderId)?;
            number = shifted.checked_add(u128::from(digits)).ok_or(NotAnOrderId)?;
        }
        Ok(Self(number))
    }
}

/// How many decimal digits always fit 64 bits.
const DIGITS_OF_64_BITS: usize = 19;

impl Key for OrderId {
    fn encode(&self, out: &mut Vec<u8>) {
        write!(out, "{self}").expect("a Vec takes every byte");
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let text = str::from_utf8(bytes).map_err(|_| DecodeError::new(NotAnOrderId.to_string()))?;
        text.parse().map_err(|error: NotAnOrderId| DecodeError::new(error.to_string()))
    }
}

impl Serialize for OrderId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
        for good in ["0", "7", "340282366920938463463374607431768211455"].map(str::to_owned).into_iter().chain(powers) {
            assert_eq!(good.parse::<OrderId>().unwrap().to_string(), good);
        }
        for bad in ["", "00", "007", "+7", "-7", "7 ", "x", "340282366920938463463374607431768211456", &"9".repeat(60)]
        {
            assert_eq!(bad.parse::<OrderId>(), Err(NotAnOrderId), "{bad:?}");
        }
    }
}
