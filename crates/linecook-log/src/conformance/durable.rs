//! Law 5: when a ticket is done, what it stands for survives `kill -9`.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use super::{
    Subject,
    fixture::{Fixture, Timing, at},
    numbers::numbered,
    stage::Stage,
};
use crate::{Log, TopicPartition};

/// Round after round, a kill right behind the acknowledgement.
pub fn an_acknowledged_append_survives_a_kill(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "durable-append");
    let to = at(&fixture.topic("in", 1), 0);
    for round in 0..5 {
        fixture.store(&to, [round]);
        fixture.kill_and_reopen();
        assert_eq!(fixture.read_numbers(&to), (0..=round).collect::<Vec<_>>());
    }
}

/// Records, rows and offsets.
pub fn an_acknowledged_commit_survives_a_kill(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "durable-commit");
    let (input, output) = (fixture.topic("in", 2), fixture.topic("out", 2));
    let stage = Stage::new(&fixture, "copy", &input, &[&output]);
    for round in 0..3 {
        fixture.store_by_key(&input, 2, round * 10..round * 10 + 10);
        let mut consumer = stage.join_alone(&fixture);
        let records = consumer.take(10);
        let commit = consumer.copy(&records, &stage.outputs(), Some(&stage.table)).expect("rows can be read");
        fixture.wait(consumer.commit(commit).expect("a commit is taken"));
        fixture.kill_and_reopen();
        let _consumer = stage.join_alone(&fixture);
        stage.expect_all(&fixture, 0..round * 10 + 10);
        fixture.kill_and_reopen();
    }
}

/// Four threads append one record after the other until the log dies under them: what was acknowledged is there once,
/// what was not is there once or not at all, and each thread's records are in its order.
pub fn appends_of_many_threads_survive_a_kill_once_each(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "durable-threads");
    let topic = fixture.topic("in", 2);
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let to = at(&topic, thread % 2);
            let (log, timing) = (Arc::clone(&fixture.log), fixture.timing.clone());
            let acknowledged = Arc::clone(&acknowledged);
            thread::spawn(move || append_until_dead(&*log, &timing, &to, u64::from(thread) * 100_000, &acknowledged))
        })
        .collect();
    fixture.until("a hundred appends are acknowledged", || acknowledged.load(Ordering::Relaxed) >= 100);
    fixture.kill();
    let outcomes: Vec<_> =
        threads.into_iter().map(|thread| thread.join().expect("an appender ends when its log dies")).collect();
    fixture.reopen();
    for (thread, count) in (0_u32..).zip(outcomes) {
        let first = u64::from(thread) * 100_000;
        let there: Vec<u64> = fixture.read_numbers(&at(&topic, thread % 2));
        let there: Vec<u64> = there.into_iter().filter(|number| number / 100_000 == u64::from(thread)).collect();
        let expected: Vec<u64> = (first..first + count).collect();
        // One more may be there: the one whose acknowledgement did not come any more.
        let one_more: Vec<u64> = (first..=first + count).collect();
        assert!(there == expected || there == one_more, "acknowledged {expected:?}, there {there:?}");
    }
}

/// How many were acknowledged, from `first` on.
fn append_until_dead(log: &dyn Log, timing: &Timing, to: &TopicPartition, first: u64, all: &AtomicUsize) -> u64 {
    let deadline = timing.clock.monotonic() + timing.patience;
    let mut count = 0;
    while timing.clock.monotonic() < deadline {
        let outcome = log.append(to, numbered([first + count])).and_then(|ticket| timing.wait(ticket));
        if outcome.is_err() {
            break;
        }
        count += 1;
        all.fetch_add(1, Ordering::Relaxed);
    }
    count
}

/// An orderly close loses nothing, acknowledged or not.
pub fn what_was_written_before_a_close_is_there_after_it(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "durable-close");
    let (input, output) = (fixture.topic("in", 1), fixture.topic("out", 1));
    let stage = Stage::new(&fixture, "copy", &input, &[&output]);
    fixture.store(&at(&input, 0), 0..10);
    let mut consumer = stage.join_alone(&fixture);
    let records = consumer.take(10);
    let commit = consumer.copy(&records, &stage.outputs(), Some(&stage.table)).expect("rows can be read");
    let _not_waited_for = consumer.commit(commit).expect("a commit is taken");
    let _not_waited_for = fixture.append(&at(&input, 0), numbered(10..20));
    fixture.log.close().expect("a log can be closed");
    drop(consumer);
    fixture.reopen();
    assert_eq!(fixture.read_numbers(&at(&input, 0)), (0..20).collect::<Vec<_>>());
    let _consumer = stage.join_alone(&fixture);
    stage.expect_all(&fixture, 0..10);
}

/// A ticket wakes the task that awaits it.
pub fn a_ticket_can_be_awaited(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "durable-await");
    let to = at(&fixture.topic("in", 1), 0);
    for round in 0..5 {
        let ticket = fixture.append(&to, numbered([round]));
        block_on(ticket, &fixture.timing).expect("an append becomes durable");
    }
    assert_eq!(fixture.read_numbers(&to), [0, 1, 2, 3, 4]);
}

/// Asks only when it was woken, as a runtime does.
fn block_on<F: Future>(future: F, timing: &Timing) -> F::Output {
    let waker = Arc::new(CountingWaker { wakes: AtomicUsize::new(1), thread: thread::current() });
    let as_waker = Waker::from(Arc::clone(&waker));
    let deadline = timing.clock.monotonic() + timing.patience;
    let mut future = pin!(future);
    loop {
        if waker.wakes.swap(0, Ordering::AcqRel) > 0
            && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&as_waker))
        {
            return output;
        }
        assert!(timing.clock.monotonic() < deadline, "an awaited ticket was never woken");
        thread::park_timeout(Duration::from_millis(100));
    }
}

struct CountingWaker {
    wakes: AtomicUsize,
    thread: Thread,
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::AcqRel);
        self.thread.unpark();
    }
}
