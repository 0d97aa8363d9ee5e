//! What is done in the middle of a merge.
//!
//! A merge takes seconds, and a memtable that is full meanwhile has to be written out, or the rows that come in wait in
//! memory, and after them the commits. With a thread of its own for that, each would have to reckon with the other's files.
//! Instead the merge pauses: the tree asks about each row that it keeps whether to keep it, with none of its locks held, and
//! every so many rows somebody else gets to work there first. It does not ask about deleted rows, nor about versions that are
//! superseded; a long stretch of them is a merge without a pause.

use lsm_tree::compaction::{
    Factory, ItemAccessor, Verdict,
    filter::{CompactionFilter, Context},
};
use std::{io, ops::ControlFlow, panic::AssertUnwindSafe, sync::Arc};

/// After how many rows a merge pauses. Rows have up to some 30 KiB, and a pause in which nothing is due costs a lock.
const EVERY_ROWS: u32 = 16;

/// What is done in a pause. `Break` ends the merge: the store is over.
pub(crate) type Pause = Arc<dyn Fn() -> ControlFlow<()> + Send + Sync>;

/// Makes merges pause.
///
/// The tree wants what it is given to survive a panic. After one in a merge the store is over, and nothing is used any more.
pub(crate) fn pauses(pause: Pause) -> Arc<dyn Factory> {
    Arc::new(Pauses(AssertUnwindSafe(pause)))
}

struct Pauses(AssertUnwindSafe<Pause>);

impl Factory for Pauses {
    fn name(&self) -> &str {
        "pauses"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Merging { pause: Arc::clone(&self.0), rows: 0 })
    }
}

struct Merging {
    pause: Pause,
    /// Since the last pause.
    rows: u32,
}

impl CompactionFilter for Merging {
    fn filter_item(&mut self, _: ItemAccessor<'_>, _: &Context) -> lsm_tree::Result<Verdict> {
        self.rows += 1;
        if self.rows == EVERY_ROWS {
            self.rows = 0;
            if (self.pause)().is_break() {
                return Err(io::Error::other("the store was ended in a pause of the merge").into());
            }
        }
        Ok(Verdict::Keep)
    }
}
