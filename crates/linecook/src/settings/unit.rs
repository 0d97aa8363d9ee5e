//! The unit at the end of a name. A number without one is guessed, and guessed wrong by a factor of 1000.

/// What a number counts, as its key's last word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Plain,
    Milliseconds,
    Seconds,
    Days,
    Bytes,
}

/// What a type measures, and so which units its keys may end in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    Anything,
    Time,
    Size,
}

impl Unit {
    pub(super) const fn of(name: &str) -> Self {
        match name.as_bytes() {
            [.., b'_', b'm', b's'] => Self::Milliseconds,
            [.., b'_', b's'] => Self::Seconds,
            [.., b'_', b'd', b'a', b'y', b's'] => Self::Days,
            [.., b'_', b'b', b'y', b't', b'e', b's'] => Self::Bytes,
            _ => Self::Plain,
        }
    }

    /// ` of milliseconds`, to follow `a whole number`; nothing for a plain number.
    pub(super) const fn of_what(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Milliseconds => " of milliseconds",
            Self::Seconds => " of seconds",
            Self::Days => " of days",
            Self::Bytes => " of bytes",
        }
    }
}

impl Measure {
    pub(super) const fn fits(self, unit: Unit) -> bool {
        match self {
            Self::Anything => true,
            Self::Time => matches!(unit, Unit::Milliseconds | Unit::Seconds | Unit::Days),
            Self::Size => matches!(unit, Unit::Bytes),
        }
    }
}
