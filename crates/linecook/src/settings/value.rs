//! What a setting can be.

use std::{path::PathBuf, time::Duration};

use super::{quantity::ByteSize, written::Written};

/// A type that a setting can have.
///
/// It says in which form it stands in a file, and what of that form it takes; files, flags and variables, the messages
/// and the printing follow from these. A type of your own checks what its form cannot:
///
/// ```
/// use linecook::settings::SettingValue;
///
/// struct Menu(Vec<String>);
///
/// impl SettingValue for Menu {
///     type Written = Vec<String>;
///
///     fn expected() -> Option<String> {
///         Some("a list of at least one text".to_owned())
///     }
///
///     fn from_written(names: Vec<String>) -> Result<Self, String> {
///         if names.is_empty() { Err("nothing to choose from".to_owned()) } else { Ok(Self(names)) }
///     }
///
///     fn to_written(&self) -> Vec<String> {
///         self.0.clone()
///     }
/// }
/// ```
///
/// For one of a closed list of names implement [`Choice`](super::Choice) instead.
#[diagnostic::on_unimplemented(note = "for one of a closed list of names implement `Choice`")]
pub trait SettingValue: Sized {
    /// The form in which it is written.
    type Written: Written;

    /// Whether it is never shown: not in the printed settings, not in a fault, not by `Debug`.
    const SECRET: bool = false;

    /// What a fault says was expected, such as `a path`. `None`: what the form says.
    fn expected() -> Option<String> {
        None
    }

    /// The value, or why that one is refused: lower case, no full stop, without the value.
    fn from_written(written: Self::Written) -> Result<Self, String>;

    /// What `from_written` makes this value of, so that printed settings can be loaded again.
    fn to_written(&self) -> Self::Written;
}

macro_rules! written_as_itself {
    ($($form:ty),*) => { $(
        impl SettingValue for $form {
            type Written = Self;

            fn from_written(written: Self) -> Result<Self, String> {
                Ok(written)
            }

            fn to_written(&self) -> Self {
                self.clone()
            }
        }
    )* };
}

written_as_itself!(bool, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);
written_as_itself!(String, Vec<String>, Duration, ByteSize);

impl SettingValue for PathBuf {
    type Written = String;

    fn expected() -> Option<String> {
        Some("a path".to_owned())
    }

    fn from_written(path: String) -> Result<Self, String> {
        if path.is_empty() { Err("an empty path".to_owned()) } else { Ok(path.into()) }
    }

    fn to_written(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}
