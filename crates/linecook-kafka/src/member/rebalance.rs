//! What the group gives a member, and wants back.

use linecook_log::{Error, ErrorKind, Poll, Result, TopicPartition};
use rdkafka::{TopicPartitionList, consumer::Consumer as _};

use super::{KafkaMember, Open, Over, Share, arrival::Arriving};
use crate::{
    client::{self, Rebalance},
    native::{self, Fault, admin::list},
};

impl KafkaMember {
    pub(super) fn rebalanced(&mut self, open: &mut Open, event: Rebalance) -> Result<Option<Poll>> {
        match event {
            Rebalance::Lost(partitions) => {
                self.member_id = None;
                self.gave_up_in = None;
                let shares = self.shares_of(&partitions);
                self.arriving.retain(|arriving| !shares.contains(&arriving.share));
                let told = self.partitions_told(&shares);
                let lost = self.let_go(open, &told);
                self.answer(native::member::lose(&open.consumer, &lost));
                open.owes_answer = false;
                self.forget(&told);
                Ok((!told.is_empty()).then_some(Poll::Lost(told)))
            }
            Rebalance::Assigned(partitions) => {
                // Answered with nothing: the partitions are added one by one when they have arrived.
                let nothing = TopicPartitionList::new();
                self.answer(open.consumer.incremental_assign(&nothing).map_err(|error| client::fault_in(&error)));
                self.check_identity(open)?;
                self.refusal = None;
                let now = self.shared.clock.monotonic();
                self.unowned.shared_out(now);
                if self.gave_up_in != native::member::generation(&open.consumer) {
                    self.gave_up_in = None;
                }
                for share in self.shares_of(&partitions) {
                    if !self.has(share) {
                        self.arriving.push(Arriving::new(share, now));
                    }
                }
                self.let_go_former_tables();
                Ok(None)
            }
            Rebalance::Revoked(partitions) => {
                open.owes_answer = true;
                self.unowned.shared_out(self.shared.clock.monotonic());
                self.gave_up_in = native::member::generation(&open.consumer);
                self.check_identity(open)?;
                let shares = self.shares_of(&partitions);
                self.arriving.retain(|arriving| !shares.contains(&arriving.share));
                self.revoking = shares;
                let told = self.partitions_told(&self.revoking);
                if told.is_empty() {
                    self.finish_revoking(open);
                    return Ok(None);
                }
                Ok(Some(Poll::Revoking(told)))
            }
        }
    }

    /// That it is the member that it was when it got what it has. Otherwise others may have had its partitions since, and
    /// have gone on with them, although the client takes those that it has again for those that it still has.
    ///
    /// # Errors
    /// `Unknown`: it is over.
    fn check_identity(&mut self, open: &Open) -> Result<()> {
        let now = native::member::member_id(&open.consumer);
        match &self.member_id {
            Some(before) if now.as_ref() != Some(before) => {
                self.over = Some(Over::Unknown);
                Err(Error::new(ErrorKind::Unknown, "the member was out of its group for a while: join again"))
            }
            Some(_) => Ok(()),
            None => {
                self.member_id = now;
                Ok(())
            }
        }
    }

    pub(super) fn is_in_group(&mut self, open: &Open) -> bool {
        let now = native::member::member_id(&open.consumer);
        // It may not have been known yet when the first partitions came.
        self.member_id = self.member_id.take().or_else(|| now.clone());
        now.is_some() && now == self.member_id
    }

    /// Gives up what it was told to, so that the group goes on.
    pub(super) fn finish_revoking(&mut self, open: &mut Open) {
        if !open.owes_answer {
            return;
        }
        let shares = std::mem::take(&mut self.revoking);
        let told = self.partitions_told(&shares);
        let wanted = self.let_go(open, &told);
        self.answer(native::member::give_up(&open.consumer, &wanted));
        open.owes_answer = false;
        self.forget(&told);
        self.let_go_tables(shares.into_iter());
    }

    /// Another process is going to own them: what is here is soon out of date.
    pub(super) fn let_go_tables(&self, shares: impl Iterator<Item = Share>) {
        for key in shares.flat_map(|share| self.table_keys(share)) {
            self.shared.tables.let_go(&key, self.id);
        }
    }

    /// Ends what is here of partitions. Returns them as the client is told of them.
    fn let_go(&self, open: &mut Open, partitions: &[TopicPartition]) -> TopicPartitionList {
        for at in partitions {
            open.queues[self.rank_of(at)].forwarded.remove(&at.partition);
        }
        self.end_pauses(open, partitions);
        list(partitions.iter().map(|at| (at, rdkafka::Offset::Invalid)))
    }

    /// A rebalance that cannot be answered leaves the member without what it would have got; it is the client's state that
    /// is wrong then.
    fn answer(&self, outcome: Result<(), Fault>) {
        if let Err(Fault { text, .. }) = outcome {
            tracing::warn!(group = %self.spec.group, error = text, "a rebalance could not be answered");
        }
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        self.owned.retain(|owned| !partitions.contains(&owned.at));
        for at in partitions {
            self.shared.progress.leave(&self.spec.group, at);
        }
        let kept: Vec<_> = self.shares().collect();
        let inputs = &self.spec.inputs;
        self.tables.retain(|(table, partition), _| {
            kept.iter().any(|share| share.partition == *partition && inputs[share.input].tables.contains(table))
        });
    }

    /// All that it has, told or on its way.
    pub(super) fn shares(&self) -> impl Iterator<Item = Share> {
        self.owned.iter().map(|owned| owned.share).chain(self.arriving.iter().map(|arriving| arriving.share))
    }

    fn let_go_former_tables(&self) {
        let seat = self.seat();
        let kept: Vec<_> = self.shares().flat_map(|share| self.table_keys(share)).collect();
        self.shared.tables.let_go_others(&self.spec.group, &seat, |key| kept.contains(key));
    }
}
