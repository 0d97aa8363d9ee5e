//! What a member's commit has to be, and how it is made ready for the commit lock.

use linecook_log::{Commit, Error, ErrorKind, Offset, Output, Result, RowChange, TopicPartition};

use super::EmbeddedMember;
use crate::{
    catalog::{Catalog, GroupId},
    payload::{self, FullRow},
    writer::{Prepared, PreparedOffset},
};

impl EmbeddedMember {
    pub(super) fn prepare(&self, commit: &mut Commit) -> Result<Prepared> {
        let offsets = self.prepare_offsets(&commit.offsets)?;
        let rows = self.prepare_rows(std::mem::take(&mut commit.rows), &commit.offsets)?;
        let stored_rows = (!rows.is_empty()).then(|| payload::store_rows(&rows));
        let filled = commit.outputs.drain(..).filter(|output| !output.batch.is_empty());
        let outputs = filled.map(|Output { to, batch }| {
            let partition = self.engine.partition_id(&to)?;
            self.engine.prepare_output(partition, batch)
        });
        Ok(Prepared { definitions: Vec::new(), outputs: outputs.collect::<Result<_>>()?, rows, stored_rows, offsets })
    }

    fn prepare_offsets(&self, offsets: &[(TopicPartition, Offset)]) -> Result<Vec<PreparedOffset>> {
        if offsets.is_empty() {
            return Err(Error::invalid("a commit without an offset speaks for no partition"));
        }
        let prepare = |(at, offset): &(TopicPartition, Offset)| {
            let owned = self.owned(at)?;
            Ok(PreparedOffset { group: self.group, partition: owned.partition, offset: *offset, epoch: owned.epoch })
        };
        offsets.iter().map(prepare).collect()
    }

    fn prepare_rows(&self, rows: Vec<RowChange>, offsets: &[(TopicPartition, Offset)]) -> Result<Vec<FullRow>> {
        let prepare = |row: RowChange| {
            let table = self.table(&row.table)?;
            if !offsets.iter().any(|(at, _)| table.is_kept_of(at, row.partition)) {
                let (table, partition) = (&row.table, row.partition);
                let text = format!(
                    "a row of a partition that the commit has no offset of: table={table} partition={partition}"
                );
                return Err(Error::invalid(text));
            }
            if row.key.len() > payload::ROW_KEY_BYTES_MAX {
                let (bytes, max) = (row.key.len(), payload::ROW_KEY_BYTES_MAX);
                return Err(Error::invalid(format!("the key of a row is too long: bytes={bytes} max_bytes={max}")));
            }
            Ok((payload::row_key(table.id, row.partition, &row.key), row.value))
        };
        rows.into_iter().map(prepare).collect()
    }
}

/// Under the commit lock: the epochs are still those, and the offsets go forward to what is there.
pub(super) fn check_offsets(catalog: &Catalog, offsets: &[PreparedOffset]) -> Result<()> {
    for it in offsets {
        check_known(catalog, it.group)?;
        let progress = catalog.group(it.group).progress.get(&it.partition).copied().unwrap_or_default();
        let end = catalog.end(it.partition);
        if progress.epoch != it.epoch {
            let name = catalog.topic_partition(it.partition).map(|at| at.to_string()).unwrap_or_default();
            let text = format!("another member owns the partition by now: partition={name}");
            return Err(Error::new(ErrorKind::Fenced, text));
        }
        if it.offset < progress.offset || it.offset > end {
            let text = format!(
                "an offset that goes back or beyond the end: offset={} committed={} end={end}",
                it.offset, progress.offset
            );
            return Err(Error::invalid(text));
        }
    }
    Ok(())
}

/// A group can be dropped while a member of it is silent for too long.
pub(super) fn check_known(catalog: &Catalog, group: GroupId) -> Result<()> {
    let group = catalog.group(group);
    if group.is_dropped {
        let text = format!("the group was dropped while this member was silent: join again: group={}", group.name);
        return Err(Error::new(ErrorKind::Unknown, text));
    }
    Ok(())
}
