//! What nobody may read over a shoulder.

use std::fmt;

use super::value::SettingValue;

/// A text that is never shown. Secrecy is part of the type, so that it also holds where the value goes afterwards.
///
/// ```
/// # use linecook::settings::Secret;
/// let password = Secret::new("basil");
/// assert_eq!(format!("{password:?}"), "***");
/// assert_eq!(password.expose(), "basil");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// That text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl SettingValue for Secret {
    type Written = String;
    const SECRET: bool = true;

    fn from_written(text: String) -> Result<Self, String> {
        Ok(Self(text))
    }

    fn to_written(&self) -> String {
        self.0.clone()
    }
}
