//! The log contract on segment files of our own: nothing to install, everything on disk.
//!
//! ```text
//!  append ──► queue ─┐                                                     ┌─► acknowledgements, `read`
//!                    ├─► commit lock: offsets, number, one write ─► sync ──┤
//!  commit ───────────┘        │                                thread      └─► rows thread ─► lsm-tree ─► `Rows`
//!                             └─► hot tails ─► members (ahead of the disk)
//! ```
//!
//! * One sequence of segment files, one frame a commit: outputs, row changes and offsets are in one place, so a crash
//!   leaves a prefix of the history, the same cut for all of them.
//! * Nobody holds a lock during a sync. A thread of its own syncs what was written, publishes the number up to which
//!   everything is on disk, and starts over.
//! * Members run ahead of the disk; what leaves the process waits for it. So a chain of services costs about one sync,
//!   not one a hop, and nothing that was shown can be taken back by a power cut.
//! * Rows are applied to the lsm-tree behind publication, so the tree never holds a commit that the log could lose.

#![warn(missing_docs)]

mod append_queue;
mod catalog;
mod codec;
mod coordinator;
mod declarations;
mod directory;
mod engine;
pub mod fault;
pub mod files;
mod frame;
mod housekeeping;
pub mod inspect;
mod limits;
mod lock;
mod log;
mod member;
mod open;
mod options;
mod outside;
mod payload;
mod published;
mod recovery;
mod refusal;
mod row_store;
mod rows;
mod scan;
mod segment;
mod segments;
mod succession;
mod tail;
mod threads;
mod to_apply;
mod writer;

pub use frame::CommitNumber;
pub use lock::is_in_use;
pub use log::EmbeddedLog;
pub use options::Options;
pub use row_store::RowsInstalled;
