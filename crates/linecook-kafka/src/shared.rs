//! What a log on Kafka and its members share.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use linecook_log::{Clock, Error, Figure, GroupName, Offset, Result, TopicPartition};
use parking_lot::{Mutex, RwLock};

use crate::{
    Options, append::Appender, clients::Clients, cluster::Cluster, fault, progress::Progress, pulse::Pulse,
    reader::Reader, tables::Tables, watcher::Watcher,
};

/// What the name of the group ends with that keeps where a dropped group goes on.
const DROPPED: &str = ".linecook-dropped";

/// How long what is under way may take when the log ends.
const END_WITHIN: Duration = Duration::from_secs(3);

pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) reader: Reader,
    pub(crate) appender: Appender,
    pub(crate) watcher: Arc<Watcher>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) tables: Tables,
    pub(crate) pulse: Pulse,
    pub(crate) figures: Figures,
    /// How often in a row members, by their names, have joined anew since partitions had no owner.
    pub(crate) joined_anew: Mutex<HashMap<String, u32>>,
    members: Mutex<HashMap<u64, Weak<Clients>>>,
    next_member: AtomicU64,
    ended: RwLock<Option<Error>>,
}

/// What is done with what was written and is not acknowledged yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It is stored, as far as brokers take it.
    Orderly,
    /// It is left where it is, as when a process dies.
    Sudden,
}

impl Shared {
    pub(crate) fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Self> {
        let cluster = Arc::new(Cluster::new(&options, &clock)?);
        let watcher = Arc::new(Watcher::start(&cluster)?);
        Ok(Self {
            reader: Reader::new(&cluster, &clock),
            appender: Appender::start(&options, &cluster, &watcher, &clock)?,
            progress: Arc::default(),
            tables: Tables::new(&options.rows_folder),
            pulse: Pulse::start(&cluster)?,
            figures: Figures::default(),
            joined_anew: Mutex::default(),
            members: Mutex::default(),
            next_member: AtomicU64::new(0),
            ended: RwLock::default(),
            options,
            clock,
            cluster,
            watcher,
        })
    }

    /// # Errors
    /// `Closed`.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.ended.read().as_ref().map_or(Ok(()), |reason| Err(fault::copy_of(reason)))
    }

    /// Why it is over.
    pub(crate) fn ended(&self) -> Error {
        self.check_open().err().unwrap_or_else(Error::closed)
    }

    /// # Errors
    /// `Closed`: its clients are ended.
    pub(crate) fn add_member(&self, clients: &Arc<Clients>) -> Result<u64> {
        let id = self.next_member.fetch_add(1, Ordering::Relaxed);
        self.members.lock().insert(id, Arc::downgrade(clients));
        // Who ends the log says so before it ends the members: one of the two sees the other.
        self.check_open().inspect_err(|_| clients.end())?;
        Ok(id)
    }

    pub(crate) fn remove_member(&self, id: u64) {
        self.members.lock().remove(&id);
    }

    /// Where a group begins in partitions of which it has committed nothing: where one of its name was dropped, or at
    /// their start.
    pub(crate) fn first_offsets(
        &self,
        group: &GroupName,
        partitions: &[TopicPartition],
        starts: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<BTreeMap<TopicPartition, Offset>> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let dropped = self.cluster.committed_offsets(&dropped_name(group)?)?;
        let first = |at: &TopicPartition| {
            let start = starts.get(at).copied().unwrap_or_default();
            (at.clone(), dropped.get(at).copied().unwrap_or_default().max(start))
        };
        Ok(partitions.iter().map(first).collect())
    }

    /// Ends everything; again it does nothing.
    pub(crate) fn end(&self, how: End) {
        let reason = Error::closed();
        {
            let mut ended = self.ended.write();
            if ended.is_some() {
                return;
            }
            *ended = Some(fault::copy_of(&reason));
        }
        let grace = if how == End::Orderly { END_WITHIN } else { Duration::ZERO };
        self.cluster.news.ends_at(self.clock.monotonic() + grace);
        let members: Vec<_> = self.members.lock().values().filter_map(Weak::upgrade).collect();
        Clients::end_all(&members, &*self.clock);
        match how {
            End::Orderly => self.appender.close(&reason),
            End::Sudden => self.appender.abandon(&reason),
        }
        self.watcher.end(&reason);
        self.progress.end(&reason);
        self.pulse.end();
        self.reader.close();
        match how {
            End::Orderly => self.tables.close(&reason),
            End::Sudden => self.tables.abandon(&reason),
        }
    }
}

/// The group beside a group that keeps where it goes on after it was dropped.
pub(crate) fn dropped_name(group: &GroupName) -> Result<GroupName> {
    GroupName::new(format!("{group}{DROPPED}"))
}

pub(crate) fn is_dropped_name(group: &GroupName) -> bool {
    group.as_str().ends_with(DROPPED)
}

/// What was done since the log was opened.
#[derive(Default)]
pub(crate) struct Figures {
    commit_count: AtomicU64,
    commit_nanos: AtomicU64,
    append_count: AtomicU64,
}

impl Figures {
    pub(crate) fn committed(&self, took: Duration) {
        self.commit_count.fetch_add(1, Ordering::Relaxed);
        self.commit_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn appended(&self) {
        self.append_count.fetch_add(1, Ordering::Relaxed);
    }

    #[expect(clippy::cast_precision_loss, reason = "metrics are floating point numbers")]
    pub(crate) fn all(&self) -> Vec<Figure> {
        let of = |name, help, value| Figure { name, help, value };
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        vec![
            of("log_transactions_total", "Transactions of members that were committed.", count(&self.commit_count)),
            of("log_transaction_seconds_total", "Time spent in them.", count(&self.commit_nanos) / 1e9),
            of("log_appends_total", "Appends from outside that were taken.", count(&self.append_count)),
        ]
    }
}
