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
                // What is purged is so because of something else.
                if self.failed.as_ref().is_none_or(|(_, fault)| is_purged(fault.code)) {
                    self.failed = Some((number, Fault::of_code(code)));
                }
            }
        }
    }
}

/// Whether it was given up because of something else.
pub(super) fn is_purged(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
}
