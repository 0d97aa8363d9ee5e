//! Whether the log reaches as far as the rows that were made of it.

use super::Check;
use crate::{
    frame::CommitNumber,
    inspect::{
        damage::{Damage, DamageKind, Opening},
        report::HistoryEnd,
    },
};

impl Check<'_> {
    /// Up to which commit rows are known to be on disk. They are never ahead of the log: where they are, commits were
    /// lost that had been on disk, and opening refuses although what is left looks like what a crash leaves.
    pub(super) fn check_rows(&mut self, end: Option<&HistoryEnd>) -> Option<CommitNumber> {
        let mut rows_up_to = None;
        let (kind, opening) = match self.inspection.rows.as_ref()? {
            Ok(None) => return None,
            Ok(Some(up_to)) => {
                let up_to = *rows_up_to.insert(CommitNumber(up_to.0));
                // Without an end there are no segments, or what could not be read is told already.
                let last = end.map_or(CommitNumber(0), |end| end.last_commit);
                if last >= up_to || (end.is_none() && !self.inspection.found.is_empty()) {
                    return rows_up_to;
                }
                for damage in self.damage.iter_mut().filter(|damage| damage.opening == Opening::Cuts) {
                    damage.opening = Opening::Refuses;
                }
                (DamageKind::BehindTheRows { rows_up_to: up_to }, Opening::Refuses)
            }
            Err(error) => {
                let reaches_back = self.inspection.found.first().is_some_and(|oldest| oldest.first == CommitNumber(1));
                let is_made_again = error.kind() == linecook_rows::ErrorKind::Corrupt && reaches_back;
                let opening = if is_made_again { Opening::MakesAgain } else { Opening::Refuses };
                (DamageKind::RowStore { reason: error.to_string() }, opening)
            }
        };
        let (file, position) = end.map_or_else(Default::default, |end| (end.file.clone(), end.position));
        let commit = end.map(|end| end.last_commit.next());
        self.damage.push(Damage { file, position, commit, kind, opening });
        rows_up_to
    }
}
