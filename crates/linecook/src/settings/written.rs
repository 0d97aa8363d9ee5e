//! The forms in which a value stands in a file: truth, whole number, text, list of texts, time and size.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    literal::{Literal, Shape},
    quantity::ByteSize,
    unit::{Measure, Unit},
};

/// A form in which a setting is written: `bool`, the integers, `String`, `Vec<String>`, `Duration` and [`ByteSize`].
///
/// Closed on purpose: a type of your own says which of these it is written as, see
/// [`SettingValue`](super::SettingValue).
pub trait Written: Form {}

/// A form that is a whole number, and so can have a range.
pub trait Number: Written {}

/// What the resolver has to know of a form. Reachable by nobody outside, which is what closes [`Written`].
pub trait Form: Sized {
    const SHAPE: Shape;
    const MEASURE: Measure = Measure::Anything;
    /// The numbers that the type can hold, as written in that unit.
    const RANGE: Option<RangeInclusive<i128>> = None;

    fn expected(unit: Unit) -> String;
    /// None if it is of another shape. Numbers outside of `RANGE` do not come here.
    fn from_literal(literal: Literal, unit: Unit) -> Option<Self>;
    fn into_literal(self, unit: Unit) -> Literal;
}

impl Written for bool {}

impl Form for bool {
    const SHAPE: Shape = Shape::Truth;

    fn expected(_unit: Unit) -> String {
        "true or false".to_owned()
    }

    fn from_literal(literal: Literal, _unit: Unit) -> Option<Self> {
        if let Literal::Truth(truth) = literal { Some(truth) } else { None }
    }

    fn into_literal(self, _unit: Unit) -> Literal {
        Literal::Truth(self)
    }
}

impl Written for String {}

impl Form for String {
    const SHAPE: Shape = Shape::Text;

    fn expected(_unit: Unit) -> String {
        "a text".to_owned()
    }

    fn from_literal(literal: Literal, _unit: Unit) -> Option<Self> {
        if let Literal::Text(text) = literal { Some(text) } else { None }
    }

    fn into_literal(self, _unit: Unit) -> Literal {
        Literal::Text(self)
    }
}

impl Written for Vec<String> {}

impl Form for Vec<String> {
    const SHAPE: Shape = Shape::List;

    fn expected(_unit: Unit) -> String {
        "a list of texts (in a flag or a variable with commas between them)".to_owned()
    }

    fn from_literal(literal: Literal, unit: Unit) -> Option<Self> {
        let Literal::List(items) = literal else { return None };
        items.into_iter().map(|item| String::from_literal(item, unit)).collect()
    }

    fn into_literal(self, _unit: Unit) -> Literal {
        Literal::List(self.into_iter().map(Literal::Text).collect())
    }
}

macro_rules! integers {
    ($($integer:ty),*) => { $(
        impl Written for $integer {}
        impl Number for $integer {}

        impl Form for $integer {
            const SHAPE: Shape = Shape::Whole;
            const RANGE: Option<RangeInclusive<i128>> = Some(<$integer>::MIN as i128..=<$integer>::MAX as i128);

            fn expected(unit: Unit) -> String {
                whole_number(unit, Self::RANGE)
            }

            fn from_literal(literal: Literal, _unit: Unit) -> Option<Self> {
                if let Literal::Whole(number) = literal { number.try_into().ok() } else { None }
            }

            fn into_literal(self, _unit: Unit) -> Literal {
                Literal::Whole(self as i128)
            }
        }
    )* };
}

integers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl Written for Duration {}
impl Number for Duration {}

impl Form for Duration {
    const SHAPE: Shape = Shape::Whole;
    const MEASURE: Measure = Measure::Time;
    /// 31 years in milliseconds; in days it still fits a `Duration`.
    const RANGE: Option<RangeInclusive<i128>> = Some(0..=1_000_000_000_000);

    fn expected(unit: Unit) -> String {
        whole_number(unit, Some(0..=i128::MAX))
    }

    fn from_literal(literal: Literal, unit: Unit) -> Option<Self> {
        let Literal::Whole(number) = literal else { return None };
        let number = u64::try_from(number).ok()?;
        Some(match unit {
            Unit::Milliseconds => Self::from_millis(number),
            Unit::Days => Self::from_secs(number.checked_mul(86_400)?),
            _ => Self::from_secs(number),
        })
    }

    /// A time that is not whole in its unit is shown as a fraction, which is refused: rounding a default would make
    /// the printed settings differ from the effective ones.
    fn into_literal(self, unit: Unit) -> Literal {
        let nanoseconds_of_one = match unit {
            Unit::Milliseconds => 1_000_000,
            Unit::Days => 86_400 * 1_000_000_000,
            _ => 1_000_000_000,
        };
        match self.as_nanos() {
            nanos if nanos % nanoseconds_of_one == 0 => {
                Literal::Whole(i128::try_from(nanos / nanoseconds_of_one).unwrap_or(i128::MAX))
            }
            _ => Literal::Other(format!("{self:?}")),
        }
    }
}

impl Written for ByteSize {}
impl Number for ByteSize {}

impl Form for ByteSize {
    const SHAPE: Shape = Shape::Whole;
    const MEASURE: Measure = Measure::Size;
    const RANGE: Option<RangeInclusive<i128>> = u64::RANGE;

    fn expected(unit: Unit) -> String {
        u64::expected(unit)
    }

    fn from_literal(literal: Literal, unit: Unit) -> Option<Self> {
        u64::from_literal(literal, unit).map(Self::new)
    }

    fn into_literal(self, unit: Unit) -> Literal {
        self.bytes().into_literal(unit)
    }
}

/// `a whole number of milliseconds from 1 to 60000`; the ends that only the width of a type sets are left out.
pub(super) fn whole_number(unit: Unit, range: Option<RangeInclusive<i128>>) -> String {
    let mut text = format!("a whole number{}", unit.of_what());
    let Some(range) = range else { return text };
    if *range.start() > i128::from(i64::MIN) {
        text += &format!(" from {}", range.start());
    }
    if *range.end() < i128::from(i64::MAX) {
        text += &format!(" to {}", range.end());
    }
    text
}
