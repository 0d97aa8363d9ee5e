//! The thread that puts rows into the tree.

use std::io;

use super::{
    Backlog,
    tree::{FullMemtables, Tree},
};
use crate::log::{CommitNumber, Log};

/// Applies what is published until the log has ended.
pub(super) fn apply(log: &Log, backlog: &Backlog, tree: &Tree, full: &FullMemtables) -> io::Result<()> {
    let mut applied = CommitNumber(0);
    let outcome = loop {
        let Some(published) = log.wait_for_more_than(applied) else { break Ok(()) };
        if let Err(error) = apply_up_to(published, backlog, tree, full) {
            break Err(error);
        }
        applied = published;
        backlog.applied(applied);
    };
    backlog.end();
    outcome
}

fn apply_up_to(published: CommitNumber, backlog: &Backlog, tree: &Tree, full: &FullMemtables) -> io::Result<()> {
    let mut memtable = tree.active_memtable();
    while let Some((number, rows)) = backlog.pop(published) {
        for row in rows {
            memtable.insert(row.at(number));
        }
        if tree.is_full(&memtable) {
            tree.seal(number, full)?;
            memtable = tree.active_memtable();
        }
    }
    Ok(())
}
