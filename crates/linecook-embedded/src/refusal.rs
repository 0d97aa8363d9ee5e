//! Why something is not taken for the time being.

use linecook_log::Result;
use parking_lot::RwLock;

use crate::published::Ended;

/// A reason that comes and goes. The operator hears of it when it comes and when it is gone, not every time that somebody
/// is refused.
pub(crate) struct Refusal {
    what: &'static str,
    why: RwLock<Option<Ended>>,
}

impl Refusal {
    /// None yet, of `what`.
    pub(crate) fn of(what: &'static str) -> Self {
        Self { what, why: RwLock::default() }
    }

    pub(crate) fn set(&self, why: Option<Ended>) {
        let mut current = self.why.write();
        match (&*current, &why) {
            (None, Some(why)) => tracing::warn!("{} are refused: {}", self.what, why.message),
            (Some(_), None) => tracing::info!("{} are taken again", self.what),
            _ => {}
        }
        *current = why;
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.why.read().as_ref().map_or(Ok(()), |why| Err(why.error()))
    }
}
