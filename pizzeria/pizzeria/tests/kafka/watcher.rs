//! What comes into topics, as it comes.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Instant,
};

use kafka_broker::Broker;

use crate::{
    process::{PATIENCE, now},
    python::foreign,
};

/// A committed-only reader of topics, in another process. Dropping it ends it.
pub(crate) struct Watcher {
    child: Child,
    seen: Arc<Mutex<BTreeMap<String, Seen>>>,
}

/// What has come into a topic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) count: u64,
    pub(crate) last: Instant,
}

impl Watcher {
    /// Sees what comes after this call.
    pub(crate) fn start(broker: &Broker, topics: &[&str]) -> Self {
        let mut child = foreign("watch", &broker.bootstrap_servers(), topics).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let seen = Arc::<Mutex<BTreeMap<String, Seen>>>::default();
        let watcher = Self { child, seen: Arc::clone(&seen) };
        let (told, begun) = mpsc::channel();
        thread::spawn(move || {
            for line in lines {
                match line.split_once('\t') {
                    Some((topic, count)) => note(&seen, topic, count.parse().unwrap()),
                    None => told.send(()).unwrap(),
                }
            }
        });
        begun.recv_timeout(PATIENCE).expect("it watches");
        watcher
    }

    pub(crate) fn seen(&self, topic: &str) -> Option<Seen> {
        self.seen.lock().unwrap().get(topic).copied()
    }

    pub(crate) fn count(&self, topic: &str) -> u64 {
        self.seen(topic).map_or(0, |seen| seen.count)
    }
}

fn note(seen: &Mutex<BTreeMap<String, Seen>>, topic: &str, count: u64) {
    let at = now();
    let mut seen = seen.lock().unwrap();
    let of_topic = seen.entry(topic.to_owned()).or_insert(Seen { count: 0, last: at });
    *of_topic = Seen { count: of_topic.count + count, last: at };
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
