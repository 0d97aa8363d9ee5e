//! Rows, in an lsm-tree whose sequence number is the commit's number.
//!
//! One thread applies the rows of each commit, in order, once it is on disk: the tree never holds what the log could
//! lose. Another flushes full memtables and compacts.

mod applier;
mod backlog;
mod keys;
mod tree;

use std::{io, path::Path, sync::Arc, thread::JoinHandle};

pub(crate) use self::{
    backlog::Backlog,
    keys::{order_key, pizzas_key},
    tree::{Contents, Tree},
};
use crate::log::Log;

/// A row as a commit writes it.
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Row {
    pub(crate) fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

/// Starts the two threads. They end with the log.
pub(crate) fn start(log: &Arc<Log>, backlog: &Arc<Backlog>, folder: &Path) -> io::Result<(Arc<Tree>, Threads)> {
    let tree = Arc::new(Tree::create(&folder.join("rows"))?);
    let (full, to_flush) = tree::full_memtables();
    let maintenance = {
        let tree = tree.clone();
        std::thread::Builder::new().name("maintenance".to_owned()).spawn(move || tree.maintain(&to_flush))?
    };
    let applier = {
        let (log, backlog, tree) = (log.clone(), backlog.clone(), tree.clone());
        let run = move || applier::apply(&log, &backlog, &tree, &full);
        std::thread::Builder::new().name("rows".to_owned()).spawn(run)?
    };
    Ok((tree, vec![maintenance, applier]))
}

/// Threads that may have failed.
pub(crate) type Threads = Vec<JoinHandle<io::Result<()>>>;
