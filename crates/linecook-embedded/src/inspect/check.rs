//! The check: everything that a frame says is held against its bytes and against the frames before it.

mod end;
mod rows;
mod summary;

use std::collections::BTreeMap;

use linecook_log::{Batch, Error, Offset, Result};

use super::{
    FoundSegment, Inspection,
    damage::{Damage, DamageKind, Opening},
    index::IndexCheck,
    report::{PartitionReport, Report, SegmentReport},
    walk::{Broken, Cause, Step, Walk},
};
use crate::{
    catalog::{Catalog, GroupId, PartitionId},
    frame::{self, CommitNumber, Entry, NoHead, Part},
    payload,
    scan::FrameAt,
};

pub(super) fn run(inspection: &Inspection) -> Report {
    let mut walk = Walk::new(&inspection.found, 0);
    let mut check = Check::new(inspection);
    loop {
        match walk.step() {
            Ok(Some(step)) => check.follow(step, &mut walk),
            Ok(None) => return check.finish(&walk),
            Err(error) => {
                check.find(walk.position(), Some(walk.expected()), DamageKind::Unreadable { reason: error.chain() });
                check.is_certain = false;
                walk.skip_segment();
            }
        }
    }
}

struct Check<'a> {
    inspection: &'a Inspection,
    /// The segment that is being checked.
    segment: usize,
    catalog: Catalog,
    /// Whether the catalog follows from all that lies before. Behind damage it does not, until the next header.
    is_certain: bool,
    index: IndexCheck,
    synced: CommitNumber,
    partitions: BTreeMap<PartitionId, PartitionReport>,
    segments: Vec<SegmentReport>,
    damage: Vec<Damage>,
    unlisted_damage_count: u64,
}

impl<'a> Check<'a> {
    fn new(inspection: &'a Inspection) -> Self {
        Self {
            inspection,
            segment: 0,
            catalog: Catalog::default(),
            is_certain: false,
            index: IndexCheck::default(),
            synced: super::synced_by_headers(&inspection.found),
            partitions: BTreeMap::new(),
            segments: Vec::new(),
            damage: Vec::new(),
            unlisted_damage_count: 0,
        }
    }

    fn follow(&mut self, step: Step, walk: &mut Walk<'_>) {
        match step {
            Step::Begins(segment) => self.begin(segment),
            Step::Frame(frame) => self.check_frame(&frame, walk),
            Step::Ends(position) => self.end(position),
            Step::Broken(broken) => self.broken(&broken),
        }
    }

    fn found(&self) -> &'a FoundSegment {
        &self.inspection.found[self.segment]
    }

    /// Notes what opening refuses if it reads this segment.
    fn find(&mut self, position: u64, commit: Option<CommitNumber>, kind: DamageKind) {
        let is_noticed = self.inspection.is_always_scanned(self.segment);
        let opening = if is_noticed { Opening::Refuses } else { Opening::MayOverlook };
        self.note(position, commit, kind, opening);
    }

    fn note(&mut self, position: u64, commit: Option<CommitNumber>, kind: DamageKind, opening: Opening) {
        let file = self.found().name.clone();
        self.list(Damage { file, position, commit, kind, opening });
    }

    fn list(&mut self, damage: Damage) {
        if self.damage.len() < Report::DAMAGE_MAX {
            self.damage.push(damage);
        } else {
            self.unlisted_damage_count += 1;
        }
    }

    fn begin(&mut self, segment: usize) {
        self.segment = segment;
        let found = self.found();
        self.segments.push(segment_report(found));
        self.check_header(found);
        self.index = match IndexCheck::read(&*found.file) {
            Ok(index) => index,
            Err(error) => {
                self.note(0, None, DamageKind::Unreadable { reason: error.chain() }, Opening::Refuses);
                IndexCheck::default()
            }
        };
    }

    fn check_header(&mut self, found: &FoundSegment) {
        match &found.header {
            Ok((header, _)) => {
                if self.is_certain && !follows(&header.catalog, &self.catalog) {
                    self.note(0, None, DamageKind::HeaderContradicts, Opening::MayOverlook);
                }
                self.catalog = header.catalog.clone();
                self.is_certain = true;
            }
            Err(NoHead::NotWhole) => {
                let opening = if self.is_unfinished_start() { Opening::Cuts } else { Opening::Refuses };
                self.note(0, None, DamageKind::HeaderDamaged, opening);
            }
            Err(NoHead::Version(found)) => {
                let kind = DamageKind::UnknownVersion { found: *found, known: frame::VERSION };
                self.note(0, None, kind, Opening::Refuses);
            }
        }
    }

    fn check_frame(&mut self, frame: &FrameAt, walk: &mut Walk<'_>) {
        let head = &frame.head;
        if let Some(segment) = self.segments.last_mut() {
            segment.last = Some(head.number);
            segment.bytes = frame.end();
            segment.first_commit_at.get_or_insert(head.committed_at);
            segment.last_commit_at = Some(head.committed_at);
        }
        self.synced = self.synced.max(head.synced);
        let parts_bytes: u64 = head.parts().map(|(_, part, _)| u64::from(part.stored)).sum();
        if parts_bytes != u64::from(head.payload_length) {
            self.contradicts(frame, "the length of its payload");
        }
        if head.synced >= head.number {
            self.contradicts(frame, "its number, as it says that it had been on disk before it was written");
        }
        for entry in &head.entries {
            self.check_entry(frame, entry);
        }
        for (entry, part, at) in head.parts() {
            match walk.part(frame, part, at) {
                Ok(stored) => self.check_part(frame, entry, (part, at), stored),
                Err(error) => {
                    let kind = DamageKind::Unreadable { reason: error.chain() };
                    self.find(frame.payload_at + at, Some(head.number), kind);
                }
            }
        }
        self.index.follow(frame);
    }

    fn contradicts(&mut self, frame: &FrameAt, what: &str) {
        let kind = DamageKind::FrameContradicts { reason: what.to_owned() };
        self.note(frame.position, Some(frame.head.number), kind, Opening::MayOverlook);
    }

    /// The catalog follows the entry, whether it fits or not; what does not fit is noted once.
    fn check_entry(&mut self, frame: &FrameAt, entry: &Entry) {
        if let Entry::Output { partition, base, .. } = entry {
            self.check_base(frame, *partition, *base);
        }
        if self.catalog.apply(entry).is_none() && self.is_certain {
            let kind = DamageKind::FrameContradicts { reason: "those before it: it names what does not exist".into() };
            self.find(frame.position, Some(frame.head.number), kind);
        }
        if let Entry::Offset { group, partition, offset, .. } = entry
            && self.is_certain
        {
            self.check_bounds(frame.position, Some(frame.head.number), (*group, *partition, *offset));
        }
    }

    fn check_base(&mut self, frame: &FrameAt, partition: PartitionId, base: Offset) {
        let (is_certain, name) = (self.is_certain, self.catalog.topic_partition(partition));
        let (Some(end), Some(partition)) = (self.catalog.ends.get_mut(partition.0 as usize), name) else { return };
        let expected = std::mem::replace(end, base);
        if expected != base && is_certain {
            let kind = DamageKind::OffsetGap { partition, expected, found: base };
            self.find(frame.position, Some(frame.head.number), kind);
        }
    }

    fn check_bounds(
        &mut self,
        position: u64,
        commit: Option<CommitNumber>,
        (group, partition, offset): (GroupId, PartitionId, Offset),
    ) {
        let named = self.catalog.topic_partition(partition).zip(self.catalog.groups.get(group.0 as usize));
        let Some((name, group)) = named else {
            let kind = DamageKind::FrameContradicts { reason: "those before it: it names what does not exist".into() };
            return self.note(position, commit, kind, Opening::MayOverlook);
        };
        // It may lie before the start: of a topic that the group reads no more, or from when it was behind.
        let end = self.catalog.end(partition);
        if offset > end {
            let kind = DamageKind::OffsetBeyondEnd { group: group.name.clone(), partition: name, offset, end };
            self.note(position, commit, kind, Opening::MayOverlook);
        }
    }

    fn check_part(&mut self, frame: &FrameAt, entry: &Entry, (part, at): (Part, u64), stored: Vec<u8>) {
        let (position, commit) = (frame.payload_at + at, Some(frame.head.number));
        let partition = match entry {
            Entry::Output { partition, .. } => Some(*partition),
            _ => None,
        };
        let name = partition.and_then(|partition| self.catalog.topic_partition(partition));
        if stored.len() != part.stored as usize || crc32c::crc32c(&stored) != part.crc {
            return self.find(position, commit, DamageKind::PartDamaged { partition: name });
        }
        match decode(frame, entry, part, stored) {
            Ok(()) => self.count(entry, part),
            Err(error) => {
                let reason = error.chain();
                let kind = match partition {
                    Some(_) => DamageKind::BatchUnreadable { partition: name, reason },
                    None => DamageKind::RowsUnreadable { reason },
                };
                self.note(position, commit, kind, Opening::MayOverlook);
            }
        }
    }

    fn count(&mut self, entry: &Entry, part: Part) {
        if let Entry::Output { partition, count, .. } = entry {
            let partition = self.partitions.entry(*partition).or_default();
            partition.record_count += u64::from(*count);
            partition.stored_bytes += u64::from(part.stored);
            partition.raw_bytes += u64::from(part.raw);
        }
    }

    fn broken(&mut self, broken: &Broken) {
        let Broken { position, first, last, cause } = *broken;
        let kind = match cause {
            Cause::NotWhole | Cause::OtherNumber => DamageKind::CommitsDamaged { last },
            Cause::SegmentMissing => DamageKind::SegmentMissing { last },
            Cause::Version(found) => DamageKind::UnknownVersion { found, known: frame::VERSION },
        };
        if matches!(cause, Cause::SegmentMissing) {
            self.note(position, Some(first), kind, Opening::Refuses);
        } else {
            self.find(position, Some(first), kind);
        }
        self.is_certain = false;
        self.index.give_up();
    }

    /// The frames of the segment have ended where another segment follows, or its index.
    fn end(&mut self, position: u64) {
        match self.index.finish(position) {
            Ok(is_closed) => {
                if let Some(segment) = self.segments.last_mut() {
                    segment.is_closed = is_closed;
                }
            }
            Err(kind @ DamageKind::IndexContradicts { .. }) => {
                self.note(position, None, kind, Opening::MayOverlook);
            }
            Err(kind) => {
                let has_remains = end::bytes_behind(&*self.found().file, position).is_ok_and(|bytes| bytes > 0);
                let kind = if has_remains { DamageKind::IndexDamaged } else { kind };
                self.note(position, None, kind, Opening::MakesAgain);
            }
        }
    }

    fn finish(mut self, walk: &Walk<'_>) -> Report {
        let end = self.check_end(walk).unwrap_or_else(|error| {
            self.find(walk.position(), None, DamageKind::Unreadable { reason: error.chain() });
            None
        });
        let rows_up_to = self.check_rows(end.as_ref());
        for file in self.inspection.strays.clone() {
            let (kind, opening) = (DamageKind::NeverBegun, Opening::Cuts);
            self.list(Damage { file, position: 0, commit: None, kind, opening });
        }
        Report {
            topics: self.topics(),
            groups: self.groups(),
            tables: self.tables(),
            segments: self.segments,
            synced: self.synced,
            rows_up_to,
            end,
            damage: self.damage,
            unlisted_damage_count: self.unlisted_damage_count,
        }
    }

    /// The first offset of a partition that is still there.
    fn start(&self, partition: PartitionId) -> Offset {
        let first = self.inspection.found.first().and_then(|segment| segment.header.as_ref().ok());
        let ends = first.map(|(header, _)| &header.catalog.ends);
        ends.and_then(|ends| ends.get(partition.0 as usize)).copied().unwrap_or_default()
    }
}

/// Whether a header says what the frames before it do. Epochs may be ahead of them: who is given a partition holds a new
/// one at once, and only its first commit writes it down.
fn follows(header: &Catalog, frames: &Catalog) -> bool {
    let mut raised = frames.clone();
    for (group, said) in raised.groups.iter_mut().zip(&header.groups) {
        for (partition, progress) in &mut group.progress {
            let said = said.progress.get(partition).map_or(0, |said| said.epoch);
            progress.epoch = progress.epoch.max(said);
        }
    }
    raised == *header
}

fn segment_report(found: &FoundSegment) -> SegmentReport {
    SegmentReport {
        file: found.name.clone(),
        first: found.first,
        last: None,
        bytes: found.frames_at(),
        file_bytes: found.file.length_bytes().unwrap_or_default(),
        is_closed: false,
        first_commit_at: None,
        last_commit_at: None,
    }
}

/// Whether the part is what its entry says.
fn decode(frame: &FrameAt, entry: &Entry, part: Part, stored: Vec<u8>) -> Result<()> {
    let raw = payload::load(part, stored)?;
    let (found, expected) = match entry {
        Entry::Output { base, count, .. } => {
            let batch = Batch::parse(*base, frame.head.committed_at, raw)?;
            batch.origin()?;
            (batch.count() as usize, *count)
        }
        Entry::Rows { count, .. } => (payload::decode_rows(&raw)?.len(), *count),
        _ => return Ok(()),
    };
    if found != expected as usize {
        let text = format!("another number of them than the frame says: found={found} expected={expected}");
        return Err(Error::new(linecook_log::ErrorKind::Corrupt, text));
    }
    Ok(())
}
