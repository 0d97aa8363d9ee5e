//! One of a closed list.

use super::value::SettingValue;

/// A setting that is one of a closed list of names.
///
/// ```
/// use linecook::settings::Choice;
///
/// #[derive(Clone, Copy, PartialEq)]
/// enum Policy { Park, Skip, Stop }
///
/// impl Choice for Policy {
///     const NAMES: &'static [(&'static str, Self)] =
///         &[("park", Self::Park), ("skip", Self::Skip), ("stop", Self::Stop)];
/// }
/// ```
pub trait Choice: Copy + PartialEq + 'static {
    /// Every value with its name.
    const NAMES: &'static [(&'static str, Self)];
}

impl<C: Choice> SettingValue for C {
    type Written = String;

    fn expected() -> Option<String> {
        let names: Vec<&str> = C::NAMES.iter().map(|(name, _)| *name).collect();
        Some(format!("one of {}", names.join(", ")))
    }

    fn from_written(written: String) -> Result<Self, String> {
        let choice = C::NAMES.iter().find(|(name, _)| *name == written);
        choice.map(|(_, value)| *value).ok_or_else(|| "no such choice".to_owned())
    }

    fn to_written(&self) -> String {
        let choice = C::NAMES.iter().find(|(_, value)| value == self);
        choice.expect("every value of a choice is in its NAMES").0.to_owned()
    }
}
