//! A report for programs. The names in here are a promise: `log check --json` prints them. They are written down apart
//! from the report's own, which may change. Offsets and numbers are numbers, times are milliseconds since 1970.

use serde::{Serialize, Serializer};

use super::{
    damage::Damage,
    report::{GroupReport, PartitionReport, Progress, Report, SegmentReport, TopicReport},
};

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let end = self.end.as_ref().map(|end| EndJson {
            file: &end.file,
            position: end.position,
            last_commit: end.last_commit.0,
        });
        let tables = self.tables.iter();
        let report = ReportJson {
            is_sound: self.is_sound(),
            synced_commit: self.synced.0,
            rows_up_to_commit: self.rows_up_to.map(|number| number.0),
            end,
            topics: self.topics.iter().map(topic).collect(),
            groups: self.groups.iter().map(group).collect(),
            tables: tables.map(|it| TableJson { service: it.service.as_str(), table: it.name.as_str() }).collect(),
            segments: self.segments.iter().map(segment).collect(),
            damage: self.damage.iter().map(damage).collect(),
            unlisted_damage_count: self.unlisted_damage_count,
        };
        report.serialize(serializer)
    }
}

#[derive(Serialize)]
struct ReportJson<'a> {
    is_sound: bool,
    synced_commit: u64,
    rows_up_to_commit: Option<u64>,
    end: Option<EndJson<'a>>,
    topics: Vec<TopicJson<'a>>,
    groups: Vec<GroupJson<'a>>,
    tables: Vec<TableJson<'a>>,
    segments: Vec<SegmentJson<'a>>,
    damage: Vec<DamageJson<'a>>,
    unlisted_damage_count: u64,
}

#[derive(Serialize)]
struct EndJson<'a> {
    file: &'a str,
    position: u64,
    last_commit: u64,
}

#[derive(Serialize)]
struct TopicJson<'a> {
    topic: &'a str,
    record_count: u64,
    stored_bytes: u64,
    raw_bytes: u64,
    partitions: Vec<PartitionJson>,
}

#[derive(Serialize)]
struct PartitionJson {
    partition: usize,
    start: u64,
    end: u64,
    record_count: u64,
    stored_bytes: u64,
    raw_bytes: u64,
}

#[derive(Serialize)]
struct GroupJson<'a> {
    group: &'a str,
    partitions: Vec<ProgressJson<'a>>,
}

#[derive(Serialize)]
struct ProgressJson<'a> {
    topic: &'a str,
    partition: u32,
    offset: u64,
    lag: u64,
    epoch: u64,
}

#[derive(Serialize)]
struct TableJson<'a> {
    service: &'a str,
    table: &'a str,
}

#[derive(Serialize)]
struct SegmentJson<'a> {
    file: &'a str,
    first_commit: u64,
    last_commit: Option<u64>,
    bytes: u64,
    file_bytes: u64,
    is_closed: bool,
    first_commit_at: Option<i64>,
    last_commit_at: Option<i64>,
}

#[derive(Serialize)]
struct DamageJson<'a> {
    kind: &'static str,
    file: &'a str,
    position: u64,
    commit: Option<u64>,
    text: String,
    opening: &'static str,
}

fn topic(topic: &TopicReport) -> TopicJson<'_> {
    let partition = |(number, it): (usize, &PartitionReport)| PartitionJson {
        partition: number,
        start: it.start.0,
        end: it.end.0,
        record_count: it.record_count,
        stored_bytes: it.stored_bytes,
        raw_bytes: it.raw_bytes,
    };
    TopicJson {
        topic: topic.name.as_str(),
        record_count: topic.record_count(),
        stored_bytes: topic.stored_bytes(),
        raw_bytes: topic.raw_bytes(),
        partitions: topic.partitions.iter().enumerate().map(partition).collect(),
    }
}

fn group(group: &GroupReport) -> GroupJson<'_> {
    GroupJson { group: group.name.as_str(), partitions: group.partitions.iter().map(progress).collect() }
}

fn progress(progress: &Progress) -> ProgressJson<'_> {
    ProgressJson {
        topic: progress.partition.topic.as_str(),
        partition: progress.partition.partition.0,
        offset: progress.offset.0,
        lag: progress.lag,
        epoch: progress.epoch,
    }
}

fn segment(segment: &SegmentReport) -> SegmentJson<'_> {
    SegmentJson {
        file: &segment.file,
        first_commit: segment.first.0,
        last_commit: segment.last.map(|number| number.0),
        bytes: segment.bytes,
        file_bytes: segment.file_bytes,
        is_closed: segment.is_closed,
        first_commit_at: segment.first_commit_at.map(|time| time.0),
        last_commit_at: segment.last_commit_at.map(|time| time.0),
    }
}

fn damage(damage: &Damage) -> DamageJson<'_> {
    DamageJson {
        kind: damage.kind.name(),
        file: &damage.file,
        position: damage.position,
        commit: damage.commit.map(|number| number.0),
        text: damage.kind.to_string(),
        opening: damage.opening.name(),
    }
}
