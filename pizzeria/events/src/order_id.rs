//! The id of an order.

use std::{fmt, str::FromStr};

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
        if text.is_empty() || (text.starts_with('0') && text != "0") {
            return Err(NotAnOrderId);
        }
        // In parts that fit 64 bits: every pizza has an id in every topic, and arithmetic in 128 bits shows.
        let mut number: u128 = 0;
        for part in text.as_bytes().chunks(16) {
            let digits = part.chunks(8).try_fold(0, and_digits).ok_or(NotAnOrderId)?;
            let power = 10_u64.pow(u32::try_from(part.len()).expect("at most 16"));
            let shifted = number.checked_mul(u128::from(power)).ok_or(NotAnOrderId)?;
            number = shifted.checked_add(u128::from(digits)).ok_or(NotAnOrderId)?;
        }
        Ok(Self(number))
    }
}

/// The number with at most eight more decimal digits; `None` when one of them is none.
fn and_digits(number: u64, text: &[u8]) -> Option<u64> {
    match text.try_into() {
        Ok(eight) => Some(number * 100_000_000 + eight_digits(eight)?),
        Err(_) => text
            .iter()
            .try_fold(number, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))),
    }
}

/// Eight digits at once, in the bytes of one number: neighbours are added up, first of one digit, then of two, then of four.
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let digits = u64::from_le_bytes(text) ^ 0x3030_3030_3030_3030;
    // A byte above 9 has its highest bit, or gets it here.
    let above_9 = (digits | digits.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080;
    if above_9 != 0 {
        return None;
    }
    let twos = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos * 100 + (twos >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

impl Key for OrderId {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(itoa::Buffer::new().format(self.0).as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let text = str::from_utf8(bytes).map_err(|_| DecodeError::new(NotAnOrderId.to_string()))?;
        text.parse().map_err(|error: NotAnOrderId| DecodeError::new(error.to_string()))
    }
}

impl Serialize for OrderId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Not `collect_str`, which goes through a formatter and looks at each piece that comes out of it.
        serializer.serialize_str(itoa::Buffer::new().format(self.0))
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
        for number in [1_u128, 12_345_678, 98_765_432_109_876_543, u128::MAX - 7, u128::MAX / 3] {
            assert_eq!(number.to_string().parse(), Ok(OrderId(number)));
        }
        // What stands before 0 and behind 9, and more, at each place.
        for wrong in ['/', ':', 'a', '\u{b0}', '\0'] {
            for at in 0..39 {
                let mut text = "1".repeat(39);
                text.replace_range(at..=at, &wrong.to_string());
                assert_eq!(text.parse::<OrderId>(), Err(NotAnOrderId), "{text:?}");
            }
        }
        for bad in ["", "00", "007", "+7", "-7", "7 ", "x", "340282366920938463463374607431768211456", &"9".repeat(60)]
        {
            assert_eq!(bad.parse::<OrderId>(), Err(NotAnOrderId), "{bad:?}");
        }
    }
}
