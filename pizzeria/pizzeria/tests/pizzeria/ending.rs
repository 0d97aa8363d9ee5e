//! A record that ends the process is found out.

use crate::{deadly, retrying::open};

/// Does nothing, unless the test below started it in a process of its own.
#[test]
fn the_deadly_process() {
    deadly::be_ended(open);
}

#[test]
fn a_record_that_ends_each_process_is_parked_and_all_others_are_handled_once() {
    let folder = tempfile::tempdir().unwrap();
    let deaths = deadly::run("ending::the_deadly_process", folder.path().to_str().unwrap(), open);
    println!("the process has ended {deaths} times");
    // Four, and two more to find out which of three it is that it ends the process at. Others may be in its way.
    assert!((6..=10).contains(&deaths), "{deaths}");
}
