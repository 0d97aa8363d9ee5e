//! What became of the records of a transaction.

use linecook_log::Offset;
use rdkafka::error::RDKafkaErrorCode;

use crate::native::{
    Fault,
    deliveries::{Delivery, Fate},
};

/// What became of the records of the transaction in hand.
#[derive(Default)]
pub(super) struct Deliveries {
    /// Which transaction of this producer: what is still told of one that was aborted is none of the next one's.
    pub(super) run: usize,
    /// Behind the last record of each output that was stored.
    pub(super) ends: Vec<Option<Offset>>,
    /// The first that was not, by the number of its output.
    pub(super) failed: Option<(usize, Fault)>,
}

/// How many outputs a transaction may have; above it in what goes along with a record is the number of the transaction.
const OUTPUT_BITS: u32 = usize::BITS / 2;

impl Deliveries {
    /// What goes along with its records, each output's number added to it.
    pub(super) fn opaque(&self) -> usize {
        self.run << OUTPUT_BITS
    }

    /// The number of the output that a record is of, if it is of this transaction.
    fn number(&self, opaque: usize) -> Option<usize> {
        (opaque >> OUTPUT_BITS == self.opaque() >> OUTPUT_BITS).then_some(opaque & !(usize::MAX << OUTPUT_BITS))
    }

    pub(super) fn see(&mut self, delivery: Delivery) {
        let Some(number) = self.number(delivery.opaque) else { return };
        match delivery.fate {
            Fate::Stored => {
                let end = Offset(u64::try_from(delivery.offset).unwrap_or(0)).plus(1);
                if let Some(known) = self.ends.get_mut(number) {
                    *known = (*known).max(Some(end));
                }
            }
            Fate::NotStored(code) | Fate::Unknown(code) => {
                if self.failed.as_ref().is_none_or(|(_, fault)| is_by_another(fault.code)) {
                    self.failed = Some((number, Fault::of_code(code)));
                }
            }
        }
    }
}

/// Whether it is because of another record, or of something else.
fn is_by_another(code: RDKafkaErrorCode) -> bool {
    is_purged(code) || code == RDKafkaErrorCode::InvalidDifferentRecord
}

/// Whether it was given up because of something else.
pub(super) fn is_purged(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a batch with a record that a broker does not take, it says of the others that they were good.
    #[test]
    fn the_record_that_is_wrong_is_what_is_told_not_those_that_fail_with_it() {
        let mut deliveries = Deliveries { run: 7, ends: vec![None; 2], failed: None };
        let codes = [RDKafkaErrorCode::InvalidDifferentRecord, RDKafkaErrorCode::InvalidRecord];
        for (number, code) in codes.into_iter().chain([RDKafkaErrorCode::PurgeQueue]).enumerate() {
            let opaque = deliveries.opaque() | (number % 2);
            deliveries.see(Delivery { opaque, offset: -1, fate: Fate::NotStored(code) });
        }
        assert!(deliveries.failed.is_some_and(|(number, fault)| (number, fault.code) == (1, codes[1])));
    }
}
