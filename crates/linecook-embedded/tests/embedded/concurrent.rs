//! Many at a time: nobody may wait for another who waits for him.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use linecook_log::{ErrorKind, GroupSpec, Offset};

use crate::support::{PATIENCE, Place, append, at, create, group, join, refusal, tiny, topic};

/// Who asked for an unknown topic held the directory of names while taking the commit lock, to hear what was wrong;
/// who defined something held the commit lock while taking the directory. The two waited for each other, and
/// everybody else for them.
#[test]
fn unknown_topics_are_refused_while_others_define_topics_and_groups() {
    let place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a"], 1);
    let is_over = Arc::new(AtomicBool::new(false));
    let asking = [0, 1].map(|_| {
        let (log, is_over) = (Arc::clone(&log), Arc::clone(&is_over));
        thread::spawn(move || {
            while !is_over.load(Ordering::SeqCst) {
                refusal(append(&*log, &at("nowhere", 0), 1), ErrorKind::Invalid);
                refusal(log.read(&at("nowhere", 0), Offset(0), 1), ErrorKind::Invalid);
            }
        })
    });
    let (done, is_done) = mpsc::channel();
    let defining = Arc::clone(&log);
    thread::spawn(move || {
        for number in 0..300 {
            let name = format!("n-{number}");
            create(&*defining, &[&name], 1);
            defining.declare_groups(&[GroupSpec { name: group(&name), topics: vec![topic("a")] }]).unwrap();
            drop(join(&*defining, &group(&format!("member-{number}")), &name));
        }
        done.send(()).unwrap();
    });
    is_done.recv_timeout(PATIENCE).expect("all is defined");
    is_over.store(true, Ordering::SeqCst);
    asking.into_iter().for_each(|thread| thread.join().unwrap());
}
