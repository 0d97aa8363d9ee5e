//! What the tasks of a run have in common.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use parking_lot::Mutex;

use super::{
    Plan,
    ledger::{Ledger, Totals},
    line::Line,
    turns::{Turn, Turns},
};
use crate::{Acknowledgement, Client, OrderKey, Result, audit::Progress, clock::now};

/// See the module.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) turns: Arc<Turns>,
    pub(super) line: Arc<Line>,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) progress: Progress,
    /// Held while an order that is not ready is asked again and again.
    pub(super) baking: tokio::sync::Mutex<()>,
    /// What the keys of this run begin with, so that no two runs have the same.
    key_prefix: u64,
}

impl Shared {
    pub(super) fn open(plan: Plan) -> Result<Self> {
        Ok(Self {
            turns: Arc::new(Turns::new(&plan)),
            line: Arc::default(),
            ledger: Mutex::new(Ledger::open(&plan)?),
            progress: Progress::new(plan.patience.limit),
            baking: tokio::sync::Mutex::default(),
            key_prefix: RandomState::new().hash_one(std::process::id()),
            plan,
        })
    }

    /// The plan and the totals, when all tasks have ended.
    pub(super) fn take_apart(shared: Arc<Self>) -> (Plan, Totals) {
        let shared = Arc::into_inner(shared).expect("the tasks that shared it were joined");
        (shared.plan, shared.ledger.into_inner().into_totals())
    }

    pub(super) fn client(&self) -> Client {
        Client::new(self.plan.target.clone(), self.plan.patience)
    }

    /// Places the order of a turn and writes down what came of it.
    pub(super) async fn place(&self, client: &mut Client, turn: Turn) -> Result<super::line::Waiting> {
        let key = self.plan.uses_keys().then(|| OrderKey::new(format!("{:016x}-{}", self.key_prefix, turn.index)));
        let acknowledgement = client.place(self.plan.pizzas_per_order, key.as_ref()).await?;
        let acknowledged = now();
        self.ledger.lock().acknowledged(turn, acknowledged, &acknowledgement)?;
        let Acknowledgement { order, .. } = acknowledgement;
        Ok(super::line::Waiting { order, turn, acknowledged })
    }
}
