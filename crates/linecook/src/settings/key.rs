//! A setting as it is asked for.

use std::{fmt, marker::PhantomData, ops::RangeInclusive};

use super::{
    literal::Literal,
    name::is_plain,
    unit::Unit,
    value::SettingValue,
    written::{Form, Number, whole_number},
};

/// A setting to ask for: its key, what it is for, and its type.
///
/// The key of a time ends in its unit (`_ms`, `_s`, `_days`) and that of a size in `_bytes`; the value in a file is a
/// whole number of that unit. As a constant, a key that breaks this does not compile:
///
/// ```compile_fail,E0080
/// # use {linecook::settings::Key, std::time::Duration};
/// const PATIENCE: Key<Duration> = Key::new("patience", "how long a guest waits");
/// # fn main() { let _ = PATIENCE; }
/// ```
pub struct Key<T> {
    name: &'static str,
    doc: &'static str,
    /// As written in a file, in the unit of the name.
    range: Option<(i64, i64)>,
    value: PhantomData<fn() -> T>,
}

/// Why a value is not taken.
pub(super) enum Refusal {
    WrongType,
    OutOfRange,
    Refused(String),
}

impl<T: SettingValue> Key<T> {
    /// A key and the one line that explains it, in the words of who sets it.
    ///
    /// # Panics
    /// Unless the key is of `a-z 0-9 _`, begins with a letter, and ends in the unit of its type if that has one.
    pub const fn new(name: &'static str, doc: &'static str) -> Self {
        assert!(is_plain(name, false), "a key begins with a letter and is of a-z 0-9 _");
        let measure = <T::Written as Form>::MEASURE;
        assert!(measure.fits(Unit::of(name)), "the key of a time ends in _ms, _s or _days, that of a size in _bytes");
        Self { name, doc, range: None, value: PhantomData }
    }

    /// The same for values in that range only, as they are written in a file: in the unit of the name.
    #[must_use]
    pub const fn within(mut self, range: RangeInclusive<i64>) -> Self
    where
        T::Written: Number,
    {
        self.range = Some((*range.start(), *range.end()));
        self
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn doc(&self) -> &'static str {
        self.doc
    }

    pub(super) fn unit(&self) -> Unit {
        Unit::of(self.name)
    }

    /// What a fault says was expected.
    pub(super) fn expected(&self) -> String {
        match self.range() {
            Some(range) => whole_number(self.unit(), Some(range)),
            None => T::expected().unwrap_or_else(|| T::Written::expected(self.unit())),
        }
    }

    pub(super) fn read(&self, literal: Literal) -> Result<T, Refusal> {
        let takes =
            |number| [self.range(), T::Written::RANGE].into_iter().flatten().all(|range| range.contains(&number));
        if let Literal::Whole(number) = literal
            && !takes(number)
        {
            return Err(Refusal::OutOfRange);
        }
        let written = T::Written::from_literal(literal, self.unit()).ok_or(Refusal::WrongType)?;
        T::from_written(written).map_err(Refusal::Refused)
    }

    pub(super) fn literal(&self, value: &T) -> Literal {
        value.to_written().into_literal(self.unit())
    }

    fn range(&self) -> Option<RangeInclusive<i128>> {
        self.range.map(|(low, high)| low.into()..=high.into())
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.name).finish()
    }
}
