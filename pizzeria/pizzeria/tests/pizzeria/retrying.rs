//! What is tried again survives what its process does not.

use std::{path::Path, sync::Arc};

use linecook_embedded::{EmbeddedLog, Options};
use linecook_log::{Log, SystemClock};

use crate::moody;

pub(crate) fn open(folder: &str, clock: Arc<SystemClock>) -> Arc<dyn Log> {
    Arc::new(EmbeddedLog::open(Path::new(folder), Options::default(), clock).unwrap())
}

/// Does nothing, unless the test below started it in a process of its own.
#[test]
fn the_moody_process() {
    moody::be_killed(open);
}

#[test]
fn what_is_tried_again_while_processes_are_killed_is_done_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    moody::run("retrying::the_moody_process", folder.path().to_str().unwrap(), open);
}
