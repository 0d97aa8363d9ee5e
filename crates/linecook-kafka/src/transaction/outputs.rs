//! What a transaction stores.

use linecook_log::{Batch, RowChange, TopicPartition};

/// What a transaction stores, by the partition that it goes to. Outputs are numbered: batches first, then rows.
pub(crate) struct Outputs<'a> {
    pub(crate) batches: &'a [(TopicPartition, Batch)],
    /// Of partitions of changelogs.
    pub(crate) rows: &'a [(TopicPartition, &'a Vec<RowChange>)],
}

impl Outputs<'_> {
    pub(super) fn count(&self) -> usize {
        self.batches.len() + self.rows.len()
    }

    fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.batches.iter().map(|(to, _)| to).chain(self.rows.iter().map(|(to, _)| to))
    }

    /// The partition of an output, to be put behind what happened to it; nothing if it is not known which.
    pub(super) fn partition_text(&self, number: Option<usize>) -> String {
        let to = number.and_then(|number| self.partitions().nth(number));
        to.map_or_else(String::new, |to| format!(": partition={to}"))
    }

    /// What an output has too much of: a record, or all of them together.
    pub(super) fn too_large(&self, number: usize) -> String {
        let (to, largest) = match self.batches.get(number) {
            Some((to, batch)) => (to, batch.records().map(|record| record.size_bytes()).max()),
            None => match self.rows.get(number - self.batches.len()) {
                Some((to, rows)) => (to, rows.iter().map(RowChange::size_bytes).max()),
                None => return "a record is larger than the broker takes".to_owned(),
            },
        };
        let bytes = largest.unwrap_or(0);
        format!(
            "a record, or a batch of some, is larger than the broker takes: partition={to} largest_record_bytes={bytes}"
        )
    }
}
