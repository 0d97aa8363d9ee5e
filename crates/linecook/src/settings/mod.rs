//! Settings: one value from four sources, flag > environment > file > default.
//!
//! Declaring is reading. Who needs a setting asks for it by key, doc and default, and gets the value; [`Settings`]
//! remembers what was asked for, what it became and where that came from, and collects every fault instead of stopping
//! at the first. So there is no second list of known keys that could differ from the code, and an operator corrects a
//! file in one go.
//!
//! | where | top level | in the section `sauce-service` |
//! |---|---|---|
//! | flag | `--data-dir` | `--sauce-service-menu` |
//! | environment | `LINECOOK_DATA_DIR` | `LINECOOK_SAUCE_SERVICE_MENU` |
//! | file | `data_dir = …` | `menu = …` below `[sauce-service]` |
//!
//! ```
//! use std::{path::PathBuf, time::Duration};
//! use linecook::settings::{FileKind, Key, Settings, SettingsFile, Sources};
//!
//! # fn main() -> Result<(), linecook::settings::Faults> {
//! let text = "data_dir = 'data'\n[sauce-service]\nmenu = ['pesto', 'bbq']\n".to_owned();
//! let sources = Sources::new()
//!     .with_file(SettingsFile { path: "pizzeria.toml".into(), kind: FileKind::Toml, text })
//!     .with_environment([("LINECOOK_COMMIT_INTERVAL_MS".to_owned(), "20".to_owned())])
//!     .with_flags([("partitions".to_owned(), "8".to_owned())]);
//! let mut settings = Settings::load(sources);
//!
//! let data_dir = settings.get(Key::new("data_dir", "where the log and the tables are kept"), PathBuf::from("./data"));
//! let partitions = settings.get(Key::new("partitions", "partitions of a new topic").within(1..=1024), 4_u32);
//! let interval = Key::new("commit_interval_ms", "the longest time between two commits");
//! let interval = settings.get(interval, Duration::from_millis(100));
//! let mut sauce = settings.section("sauce-service");
//! let menu = sauce.get(Key::new("menu", "the sauces to choose from"), vec!["pesto".to_owned()]);
//! let effective = settings.finish()?;
//!
//! assert_eq!((data_dir, partitions), (PathBuf::from("data"), 8));
//! assert_eq!((interval, menu.len()), (Duration::from_millis(20), 2));
//! assert!(effective.to_string().contains("partitions = 8 # flag --partitions"));
//! # Ok(())
//! # }
//! ```

mod address;
mod choice;
mod fault;
mod file;
mod given;
mod ini;
mod key;
mod known;
mod literal;
mod name;
mod properties;
mod quantity;
mod report;
mod resolve;
mod secret;
mod sources;
mod unit;
mod value;
mod written;

#[cfg(test)]
mod tests;

pub use address::HostPort;
pub use choice::Choice;
pub use fault::{Fault, Faults, FilePlace, Origin};
pub use key::Key;
pub use name::SettingName;
pub use quantity::ByteSize;
pub use report::{Effective, Entry};
pub use resolve::{Section, Settings};
pub use secret::Secret;
pub use sources::{FileKind, SettingsFile, Sources};
pub use value::SettingValue;
pub use written::{Number, Written};

pub(crate) use properties::{CONSUMER, Fate, KAFKA_CLIENT};
#[cfg(feature = "kafka")]
pub(crate) use {
    known::most_like,
    properties::{Property, is_secret},
};
