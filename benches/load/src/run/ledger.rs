//! What a run writes down as it goes.

use std::time::Instant;

use super::{Depth, Plan, figures::Figures, line::Waiting, turns::Turn};
use crate::{Acknowledgement, Auditor, Fault, Journal, Order, Result};

/// Behind one lock, which is never held while anything is waited for.
pub(super) struct Ledger {
    journal: Option<Journal>,
    depth: Depth,
    totals: Totals,
}

/// What is left of a ledger when nobody writes any more.
pub(super) struct Totals {
    pub(super) figures: Figures,
    pub(super) auditor: Auditor,
    /// The orders to be read again in full.
    pub(super) audited: Vec<Order>,
}

impl Ledger {
    pub(super) fn open(plan: &Plan) -> Result<Self> {
        let journal = plan.journal.as_deref().map(Journal::open).transpose()?;
        let totals = Totals { figures: Figures::new(), auditor: Auditor::new(plan.menu), audited: Vec::new() };
        Ok(Self { journal, depth: plan.depth, totals })
    }

    pub(super) fn into_totals(self) -> Totals {
        self.totals
    }

    /// An order was acknowledged.
    pub(super) fn acknowledged(&mut self, turn: Turn, at: Instant, acknowledgement: &Acknowledgement) -> Result<()> {
        if let Some(journal) = &mut self.journal {
            journal.add(&acknowledgement.order)?;
        }
        let Totals { figures, auditor, audited } = &mut self.totals;
        figures.acknowledged.record(at - turn.intended);
        figures.cover(turn.intended, at);
        if self.depth.covers(turn.index) {
            auditor.acknowledged(acknowledgement);
            audited.push(acknowledgement.order.clone());
        }
        Ok(())
    }

    /// A body of an order that is not ready was seen.
    pub(super) fn baking(&mut self, waiting: &Waiting, body: &[u8]) {
        self.totals.figures.early_looks += 1;
        if self.depth.covers(waiting.turn.index) {
            self.totals.auditor.saw(&waiting.order.id, body);
        }
    }

    /// The first ready body of an order was seen.
    pub(super) fn ready(&mut self, waiting: &Waiting, at: Instant, body: &[u8]) {
        let Totals { figures, auditor, .. } = &mut self.totals;
        figures.ready.record(at - waiting.turn.intended);
        figures.cover(waiting.turn.intended, at);
        auditor.glimpsed_ready(&waiting.order.id, body);
    }

    /// An order will not be looked at again.
    pub(super) fn dismissed(&mut self, waiting: &Waiting, fault: Fault) {
        self.totals.auditor.dismiss(&waiting.order.id, fault);
    }
}
