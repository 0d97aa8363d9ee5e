//! Partitions on their way to a member: where they begin, and their rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use linecook_log::{Assignment, Clock, Error, ErrorKind, Offset, Result, TopicName, TopicPartition};
use rdkafka::consumer::Consumer as _;

use super::{
    KafkaMember, LOOK_SOON, Open, assignment, keep,
    owned::{Owned, Share},
};
use crate::{
    client, fault,
    native::{
        Fault,
        admin::{End, Isolation, list, native_offset, native_partition},
        queue::Queue,
        record::Taken,
    },
    options::Gap,
    restore::{Restore, Step},
    tables::{self, Bounds},
};

/// How long rows are restored before the member looks at anything else.
const RESTORE_FOR: Duration = Duration::from_millis(50);
/// After how many times as long as a transaction may take one that is still open counts as one that hangs. Brokers look
/// for those that have taken too long every 10 s.
const HANGS_AFTER: u32 = 3;
/// The longest until it is asked again what a group has consumed.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// When to look again for what is missing.
const LOOK_FOR_MISSING_AFTER: Duration = Duration::from_secs(5);

pub(super) struct Arriving {
    pub(super) share: Share,
    stage: Stage,
    /// Since when it has not come any further.
    still_since: Duration,
}

enum Stage {
    /// Where it begins is not known yet; when that is asked for, and how much later again.
    Wanted { at: Duration, pause: Duration },
    /// Rows are on their way.
    Restoring { begins: Vec<(TopicPartition, Offset)>, rows: Vec<Restore> },
    /// Records are gone that were not read.
    Stuck { why: String, again_at: Duration },
}

/// What the cluster says about partitions that are wanted and about their changelogs.
struct Survey {
    starts: BTreeMap<TopicPartition, Offset>,
    ends: BTreeMap<TopicPartition, Offset>,
    /// Of the changelogs.
    topic_ids: BTreeMap<TopicName, String>,
}

impl Survey {
    fn bounds(&self, at: &TopicPartition) -> Bounds {
        let of = |found: &BTreeMap<_, Offset>| found.get(at).copied().unwrap_or_default();
        Bounds { start: of(&self.starts), end: of(&self.ends) }
    }
}

impl Stage {
    fn wanted(now: Duration) -> Self {
        Self::Wanted { at: now, pause: LOOK_SOON }
    }
}

impl Arriving {
    pub(super) fn new(share: Share, now: Duration) -> Self {
        Self { share, stage: Stage::wanted(now), still_since: now }
    }

    fn enter(&mut self, stage: Stage, now: Duration) {
        (self.stage, self.still_since) = (stage, now);
    }

    /// Somebody's transaction holds up the answer.
    fn ask_later(&mut self, now: Duration) {
        match &mut self.stage {
            Stage::Wanted { at, pause } if *at <= now => {
                *at = now + *pause;
                *pause = (*pause * 2).min(LONGEST_PAUSE);
            }
            Stage::Stuck { again_at, .. } if *again_at <= now => *again_at = now + LOOK_FOR_MISSING_AFTER,
            _ => {}
        }
    }

    fn is_wanted(&self, now: Duration) -> bool {
        match &self.stage {
            Stage::Wanted { at: again_at, .. } | Stage::Stuck { again_at, .. } => now >= *again_at,
            Stage::Restoring { .. } => false,
        }
    }
}

impl KafkaMember {
    /// Brings what is on its way further; what has arrived, if something has.
    pub(super) fn advance_arrivals(&mut self, open: &mut Open) -> Result<Option<Vec<Assignment>>> {
        if self.arriving.is_empty() {
            return Ok(None);
        }
        if self.shared.cluster.news.is_silent() {
            let now = self.shared.clock.monotonic();
            self.arriving.iter_mut().for_each(|arriving| arriving.still_since = now); // it is the brokers that are still
        }
        self.look_up_positions(open).map_err(|error| self.unless_gone(error))?;
        let mut arrived = Vec::new();
        let mut failed = None;
        let clock = Arc::clone(&self.shared.clock);
        for arriving in &mut self.arriving {
            let Stage::Restoring { begins, rows } = &mut arriving.stage else { continue };
            match step_all(rows, &mut self.taken, &*clock) {
                Ok(Step::Complete) => arrived.push((arriving.share, std::mem::take(begins))),
                Ok(Step::Further) => arriving.still_since = clock.monotonic(),
                Ok(Step::Still) => {}
                Err(error) => {
                    // From the start: the changelog may begin elsewhere by now, or be another.
                    arriving.enter(Stage::wanted(clock.monotonic()), clock.monotonic());
                    failed.get_or_insert(error);
                }
            }
        }
        if failed.is_some()
            && self.arriving.iter().all(|it| matches!(it.stage, Stage::Wanted { .. } | Stage::Stuck { .. }))
        {
            open.restoring = None; // it may have lost its brokers
        }
        if arrived.is_empty() {
            return failed.map_or(Ok(None), Err); // else it is said when it fails again
        }
        self.arriving.retain(|arriving| !arrived.iter().any(|(share, _)| *share == arriving.share));
        if self.arriving.is_empty() {
            open.restoring = None;
        }
        Ok(Some(self.take_up(open, arrived)))
    }

    /// Why partitions do not come, if so.
    pub(super) fn why_stuck(&self) -> Option<Error> {
        if let Some(code) = self.refusal {
            let topics: Vec<_> = self.spec.topics().iter().map(|topic| topic.to_string()).collect();
            let what = format!("the group cannot be joined: group={} topics={}", self.spec.group, topics.join(","));
            return Some(fault::error(what, Fault::of_code(code)));
        }
        if let Some(error) = self.missing_topics() {
            return Some(error);
        }
        let arriving = self.arriving.iter().find_map(|arriving| match &arriving.stage {
            Stage::Stuck { why, .. } => Some(why),
            _ => None,
        });
        if let Some(why) = arriving {
            return Some(Error::new(ErrorKind::Unavailable, why.clone()));
        }
        if let Some(why) = self.hanging() {
            return Some(Error::new(ErrorKind::Unavailable, why));
        }
        let (at, (code, text)) = self.owned.iter().find_map(|owned| Some((&owned.at, owned.fault.as_ref()?)))?;
        let error = fault::error(format!("the partition cannot be read: partition={at}"), Fault::new(*code, text));
        // A topic may be unknown to brokers that have just come up.
        let is_final = fault::is_missing_right(*code);
        Some(if is_final { error } else { Error::new(ErrorKind::Unavailable, error.chain()) })
    }

    /// Which partition waits for somebody's transaction that takes longer than any may.
    fn hanging(&self) -> Option<String> {
        let patience = self.shared.options.session_timeout * HANGS_AFTER;
        let now = self.shared.clock.monotonic();
        let is_still = |it: &&Arriving| now.saturating_sub(it.still_since) > patience;
        let arriving = self.arriving.iter().find(is_still)?;
        let what = match &arriving.stage {
            Stage::Wanted { .. } => format!("what the group has consumed is not known: group={}", self.spec.group),
            Stage::Restoring { rows, .. } => format!("rows cannot be read: changelog={}", rows.first()?.changelog()),
            Stage::Stuck { .. } => return None,
        };
        Some(format!(
            "{what}; somebody's transaction has been open there for longer than any may be. If nobody is at work on it, \
             it hangs and has to be aborted, with kafka-transactions.sh: see \"One broker alone\" in docs/kafka.md"
        ))
    }

    /// Of all that are wanted at once: what is committed, and nothing before that is stable.
    fn look_up_positions(&mut self, open: &mut Open) -> Result<()> {
        let now = self.shared.clock.monotonic();
        let wanted: Vec<_> = self.arriving.iter().filter(|it| it.is_wanted(now)).map(|it| it.share).collect();
        let partitions: Vec<_> = wanted.iter().flat_map(|share| self.partitions_of(*share)).collect();
        if partitions.is_empty() {
            return Ok(());
        }
        let cluster = Arc::clone(&self.shared.cluster);
        let Some(committed) = cluster.stable_offsets(&self.spec.group, &partitions)? else {
            self.arriving.iter_mut().for_each(|arriving| arriving.ask_later(now));
            return Ok(());
        };
        let is_new = |at: &&TopicPartition| !committed.contains_key(*at);
        let new: Vec<_> = partitions.iter().filter(is_new).cloned().collect();
        let found = self.survey(&wanted, partitions)?;
        let first = self.shared.first_offsets(&self.spec.group, &new, &found.starts)?;
        for share in wanted {
            let mut begins = Vec::new();
            let mut missing = None;
            for at in self.partitions_of(share) {
                let bounds = found.bounds(&at);
                let begin = committed.get(&at).or_else(|| first.get(&at)).copied().unwrap_or(bounds.start);
                match self.begin_within(&at, begin, bounds) {
                    Ok(begin) => begins.push((at, begin)),
                    Err(why) => missing = Some(why),
                }
            }
            let stage = match missing {
                Some(why) => Stage::Stuck { why, again_at: now + LOOK_FOR_MISSING_AFTER },
                None => Stage::Restoring { rows: self.begin_restores(open, share, &found)?, begins },
            };
            if let Some(arriving) = self.arriving.iter_mut().find(|arriving| arriving.share == share) {
                arriving.enter(stage, now);
            }
        }
        Ok(())
    }

    /// `begin`, if it lies in the partition; else where to go on, or what is missing.
    pub(super) fn begin_within(
        &self,
        at: &TopicPartition,
        begin: Offset,
        Bounds { start, end }: Bounds,
    ) -> Result<Offset, String> {
        if (start..=end).contains(&begin) {
            return Ok(begin);
        }
        let what = if begin < start {
            format!("records that were not read are gone: partition={at} read_up_to={begin} start={start}")
        } else {
            format!(
                "the partition ends before what was read of it; was its topic created anew? partition={at} read_up_to={begin} end={end}"
            )
        };
        if self.shared.options.gap == Gap::Accept {
            tracing::warn!(group = %self.spec.group, "{what}; goes on at the start, as it was told to");
            return Ok(start);
        }
        Err(format!("{what}; nothing of it is read until the group is told to go on behind the gap: --accept-gap"))
    }

    /// Asks about these partitions, and about the changelogs of what is wanted: after the committed offsets are known, see
    /// `restore`.
    fn survey(&self, wanted: &[Share], partitions: Vec<TopicPartition>) -> Result<Survey> {
        let keys = wanted.iter().flat_map(|share| self.table_keys(*share));
        let changelogs = keys.map(|key| tables::changelog_partition(&key)).collect::<Result<Vec<_>>>()?;
        let topics: BTreeSet<_> = changelogs.iter().map(|at| at.topic.clone()).collect();
        let partitions = [partitions, changelogs].concat();
        let cluster = &self.shared.cluster;
        Ok(Survey {
            starts: cluster.offsets_at(End::Start, &partitions, Isolation::All)?,
            ends: cluster.offsets_at(End::End, &partitions, Isolation::All)?,
            topic_ids: cluster.topic_ids(&Vec::from_iter(topics))?,
        })
    }

    fn begin_restores(&mut self, open: &mut Open, share: Share, found: &Survey) -> Result<Vec<Restore>> {
        let mut restores = Vec::new();
        for key in self.table_keys(share) {
            let from = tables::changelog_partition(&key)?;
            let bounds = found.bounds(&from);
            let id = found.topic_ids.get(&from.topic).expect("all changelogs were asked about");
            let now = self.shared.clock.timestamp();
            let owner = (self.id, self.seat());
            let table = self.shared.tables.claim(&key, owner, (id, bounds), now)?;
            self.tables.insert((key.table.clone(), key.partition), Arc::clone(&table));
            let client = match &open.restoring {
                Some(client) => Arc::clone(client),
                None => {
                    let client = client::reading(&self.shared.options, &self.shared.cluster.news)?;
                    Arc::clone(open.restoring.insert(Arc::new(client)))
                }
            };
            restores.extend(Restore::begin(&client, from.clone(), table, bounds, &self.clients.wakeup)?);
        }
        Ok(restores)
    }

    /// From here on its records come.
    fn take_up(&mut self, open: &mut Open, arrived: Vec<(Share, Vec<(TopicPartition, Offset)>)>) -> Vec<Assignment> {
        let mut assignments = Vec::new();
        let keep_at = self.shared.clock.monotonic() + keep::SOON;
        for (share, begins) in arrived {
            for key in self.table_keys(share) {
                let table = self.tables.get(&(key.table, key.partition));
                table.expect("the rows of what arrives are kept").restored();
            }
            for (at, begin) in begins {
                let rank = self.rank_of(&at);
                let of_topic = &mut open.queues[rank];
                // Before it is assigned: no record goes anywhere else.
                let queue = Queue::of_partition(&open.consumer, of_topic.topic.name(), native_partition(at.partition));
                let forwarded = queue.forward_to(&of_topic.queue, Queue::of_consumer(&open.consumer));
                of_topic.forwarded.insert(at.partition, forwarded);
                self.shared.progress.reach(&self.spec.group, &at, begin);
                assignments.push(assignment(&at, begin));
                self.owned.push(Owned::new(at, share, rank, begin, keep_at));
            }
        }
        let partitions = list(assignments.iter().map(|it| (&it.partition, native_offset(it.position))));
        if let Err(error) = open.consumer.incremental_assign(&partitions) {
            let error = fault::error("partitions cannot be taken up", client::fault_in(&error));
            tracing::error!(group = %self.spec.group, error = error.chain(), "partitions cannot be taken up");
            self.over = Some(super::Over::Unknown);
        }
        self.owned.sort_by_key(|owned| owned.rank);
        assignments
    }
}

/// Brings the rows of a partition further.
fn step_all(rows: &mut Vec<Restore>, taken: &mut Taken, clock: &dyn Clock) -> Result<Step> {
    let mut furthest = Step::Still;
    let mut index = 0;
    while let Some(row) = rows.get(index) {
        match row.step(taken, clock, RESTORE_FOR)? {
            Step::Complete => {
                rows.remove(index);
                furthest = Step::Further;
            }
            step => {
                index += 1;
                furthest = furthest.min(step);
            }
        }
    }
    Ok(if rows.is_empty() { Step::Complete } else { furthest })
}
