//! Rows of tables as a *cache of a log*.
//!
//! A log is the truth: every change of a row is in one of its commits. This crate keeps what those commits add up to,
//! so that a row can be read without reading the log, and so that the log may forget its oldest commits. It has no
//! journal of its own: what it holds in memory only, the log can replay.
//!
//! ```text
//!            1 ─────────────── persisted ───────────── applied ────────── committed
//!  log       ··(may be dropped)··┊█████████████████████████│██████████████████│
//!                                ┊                         │                  │
//!  Store     ▒▒▒▒▒▒ tables ▒▒▒▒▒▒┊░░░░░░░ memtables ░░░░░░░│                  │
//!            on disk, sorted,    ┊ in memory; gone after a │                  │
//!            compacted           ┊ crash, replayed by the  │                  │
//!                                ┊ log                     │                  │
//!  Overlay   one a member:                                 │░░░ its own rows ░│
//!                                                          │ which it reads before the store has them
//! ```
//!
//! * A row carries the [`Number`] of the commit that wrote it; a reader sees the rows as of one number.
//! * The owner of the log calls [`Store::apply`] for each commit, in order, *once the log can no longer lose it*; after
//!   a restart it begins behind [`Store::persisted`]. A [`Snapshot`] or a scan sees whole commits.
//! * Memtables that are full are written out, and tables merged, by one maintenance thread that the store owns. Merges pause
//!   for memtables.
//!
//! The tree under it is the crate `lsm-tree`; `tree.rs` is the only file that knows what is peculiar about it.
//!
//! ```
//! use linecook_rows::{KeyRange, Number, Options, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let parent = tempfile::tempdir()?;
//! # let folder = parent.path().join("rows");
//! let store = Store::open(&folder, Options::default())?;
//! store.apply(Number(1), [("sauce/tomato", Some("3")), ("sauce/pesto", Some("1"))])?;
//! store.apply(Number(2), [("sauce/pesto", None::<&str>)])?;
//!
//! assert_eq!(store.get("sauce/tomato")?.as_deref(), Some(&b"3"[..]));
//! assert_eq!(store.scan(KeyRange::prefix("sauce/"))?.count(), 1);
//!
//! store.close()?;
//! assert_eq!(Store::open(&folder, Options::default())?.persisted(), Number(2));
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

mod backlog;
mod error;
mod folder;
mod layout;
mod maintenance;
mod overlay;
mod pause;
mod range;
mod snapshot;
mod store;
mod tree;
mod value;
mod writer;

pub use error::{Error, ErrorKind};
pub use overlay::{Lookup, Merged, Overlay};
pub use range::KeyRange;
pub use snapshot::{Rows, Snapshot};
pub use store::{Installed, Options, Store};
pub use value::Value;

/// Up to which commit the rows in a folder are on disk, at least, without opening the store or changing anything. `None`:
/// there is no store, or nothing in there says so.
///
/// # Errors
///
/// As [`Store::open`], as far as that shows without reading the tables.
pub fn inspect(folder: impl AsRef<std::path::Path>) -> Result<Option<Number>, Error> {
    folder::persisted(folder.as_ref())
}

/// The number of a commit: its position in the log that the rows are a cache of.
///
/// The first commit is 1; 0 stands for "no commit yet".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
