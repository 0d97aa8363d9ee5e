//! A report for a person at a terminal.

use std::fmt;

use linecook_log::Timestamp;

use super::{
    damage::{Damage, DamageKind},
    report::{Report, TopicReport},
};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_verdict(f)?;
        write_table(f, TOPICS, &self.topics.iter().flat_map(topic_rows).collect::<Vec<_>>())?;
        write_table(f, GROUPS, &self.group_rows())?;
        write_table(f, TABLES, &self.table_rows())?;
        write_table(f, SEGMENTS, &self.segment_rows())?;
        self.write_damage(f)
    }
}

/// A heading; numbers are set to the right.
type Column = (&'static str, Side);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

use Side::{Left, Right};

const TOPICS: &[Column] = &[
    ("topic", Left),
    ("partition", Right),
    ("start", Right),
    ("end", Right),
    ("records", Right),
    ("on disk", Right),
    ("uncompressed", Right),
];
const GROUPS: &[Column] = &[("group", Left), ("reads", Left), ("offset", Right), ("lag", Right), ("epoch", Right)];
const TABLES: &[Column] = &[("service", Left), ("table", Left)];
const SEGMENTS: &[Column] = &[
    ("segment", Left),
    ("first commit", Right),
    ("last commit", Right),
    ("bytes", Right),
    ("state", Left),
    ("first at", Left),
    ("last at", Left),
];

impl Report {
    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_sound(), self.damage.is_empty()) {
            (true, true) => writeln!(f, "The log is sound.")?,
            (true, false) => writeln!(f, "The log is sound; opening tidies up what a crash left (see the end).")?,
            (false, _) if self.is_of_another_version() => {
                writeln!(f, "The log was written by another version of this program (see the end).")?;
            }
            (false, _) => writeln!(f, "THE LOG IS DAMAGED (see the end).")?,
        }
        match &self.end {
            None => writeln!(f, "It is empty."),
            Some(end) => writeln!(
                f,
                "It ends with commit {}, in {} at byte {}. Commits up to {} are known to have been synced.",
                end.last_commit, end.file, end.position, self.synced
            ),
        }
    }

    /// Whether nothing else is wrong.
    fn is_of_another_version(&self) -> bool {
        let of_version = |damage: &Damage| matches!(damage.kind, DamageKind::UnknownVersion { .. });
        self.damage.iter().filter(|damage| !damage.opening.is_harmless()).all(of_version)
    }

    fn group_rows(&self) -> Vec<Vec<String>> {
        let rows = self.groups.iter().flat_map(|group| {
            let name = group.name.to_string();
            group.partitions.iter().map(move |it| {
                let (offset, lag, epoch) = (it.offset.to_string(), it.lag.to_string(), it.epoch.to_string());
                vec![name.clone(), it.partition.to_string(), offset, lag, epoch]
            })
        });
        rows.collect()
    }

    fn table_rows(&self) -> Vec<Vec<String>> {
        self.tables.iter().map(|table| vec![table.service.to_string(), table.name.to_string()]).collect()
    }

    fn segment_rows(&self) -> Vec<Vec<String>> {
        let rows = self.segments.iter().map(|it| {
            let last = it.last.map_or_else(|| "none".to_owned(), |last| last.to_string());
            let state = if it.is_closed { "closed" } else { "open" };
            let (first_at, last_at) = (time(it.first_commit_at), time(it.last_commit_at));
            vec![it.file.clone(), it.first.to_string(), last, it.bytes.to_string(), state.to_owned(), first_at, last_at]
        });
        rows.collect()
    }

    fn write_damage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.damage.is_empty() {
            writeln!(f, "\n{}", if self.is_sound() { "what a crash left" } else { "damage" })?;
        }
        for damage in &self.damage {
            let (place, kind, opening) = (damage.place(), &damage.kind, damage.opening);
            writeln!(f, "  {place}\n    {kind}\n    {opening}")?;
        }
        if self.unlisted_damage_count > 0 {
            writeln!(f, "  … and {} more", self.unlisted_damage_count)?;
        }
        Ok(())
    }
}

fn topic_rows(topic: &TopicReport) -> Vec<Vec<String>> {
    let rows = topic.partitions.iter().enumerate().map(|(number, it)| {
        vec![
            topic.name.to_string(),
            number.to_string(),
            it.start.to_string(),
            it.end.to_string(),
            it.record_count.to_string(),
            it.stored_bytes.to_string(),
            it.raw_bytes.to_string(),
        ]
    });
    let mut rows: Vec<_> = rows.collect();
    if rows.len() > 1 {
        let (records, stored, raw) = (topic.record_count(), topic.stored_bytes(), topic.raw_bytes());
        let (name, empty) = (topic.name.to_string(), String::new());
        rows.push(vec![
            name,
            "all".to_owned(),
            empty.clone(),
            empty,
            records.to_string(),
            stored.to_string(),
            raw.to_string(),
        ]);
    }
    rows
}

/// Nothing for a table without rows.
fn write_table(f: &mut fmt::Formatter<'_>, columns: &[Column], rows: &[Vec<String>]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let heading: Vec<_> = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    let width = |index: usize| {
        let cells = std::iter::once(&heading).chain(rows).filter_map(|row| row.get(index));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    writeln!(f)?;
    for row in std::iter::once(&heading).chain(rows) {
        let cells = row.iter().zip(columns).zip(&widths).map(|((cell, (_, side)), width)| match side {
            Left => format!("{cell:<width$}"),
            Right => format!("{cell:>width$}"),
        });
        writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// UTC to the millisecond, as RFC 3339 has it but for a blank instead of the `T`.
fn time(at: Option<Timestamp>) -> String {
    const DAY: i64 = 86_400_000;
    let Some(Timestamp(millis)) = at else { return String::new() };
    let (year, month, day) = date_of(millis.div_euclid(DAY));
    let in_day = millis.rem_euclid(DAY);
    let (seconds, millis) = (in_day / 1000, in_day % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
}

/// Year, month and day of a number of days since 1970-01-01. The year is taken to begin with March, so that the leap
/// day is its last (Howard Hinnant's `civil_from_days`, public domain).
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let texts = [0, 951_782_399_999, 951_782_400_000, 1_772_323_199_000, -1].map(|at| time(Some(Timestamp(at))));
        let expected = [
            "1970-01-01 00:00:00.000Z",
            "2000-02-28 23:59:59.999Z",
            "2000-02-29 00:00:00.000Z",
            "2026-02-28 23:59:59.000Z",
            "1969-12-31 23:59:59.999Z",
        ];
        assert_eq!(texts, expected);
    }
}
