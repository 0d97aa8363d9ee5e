//! What an operator wants done with a record that waits.
//!
//! An instruction is a record that looks like the letter of the one that it is about: it has its key, and headers that say
//! where it lies and waits. An edit has the new value, and every other instruction none.
//!
//! | header | |
//! |---|---|
//! | `linecook-instruction` | `redrive`, `edit`, `discard` |
//! | `linecook-table` | the table that keeps the record |
//! | `linecook-number` | its number in there |
//! | `linecook-topic`, `linecook-partition`, `linecook-offset` | which record it is |

use std::str::FromStr;

use linecook_log::{
    BatchBuilder, Header, NewRecord, Offset, Partition, Record, Result, TableName, Timestamp, TopicName, TopicPartition,
};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// The key of which it is the first goes on.
    Redrive,
    /// It gets another value, and goes on waiting.
    Edit,
    /// It is left out. If it was the first of its key, that goes on.
    Discard,
}

impl Action {
    const ALL: [Self; 3] = [Self::Redrive, Self::Edit, Self::Discard];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Edit => "edit",
            Self::Discard => "discard",
        }
    }
}

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instruction<'a> {
    pub(crate) action: Action,
    pub(crate) table: TableName,
    pub(crate) number: u64,
    pub(crate) from: TopicPartition,
    pub(crate) offset: Offset,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
}

const ACTION: &str = "linecook-instruction";
const TABLE: &str = "linecook-table";
const NUMBER: &str = "linecook-number";
const TOPIC: &str = "linecook-topic";
const PARTITION: &str = "linecook-partition";
const OFFSET: &str = "linecook-offset";

impl<'a> Instruction<'a> {
    /// Adds it to a batch for its topic.
    ///
    /// # Errors
    /// `Invalid` when it is too large for a record.
    pub(crate) fn write(&self, batch: &mut BatchBuilder, now: Timestamp) -> Result<()> {
        let texts = [
            (ACTION, self.action.name().to_owned()),
            (TABLE, self.table.to_string()),
            (NUMBER, self.number.to_string()),
            (TOPIC, self.from.topic.to_string()),
            (PARTITION, self.from.partition.to_string()),
            (OFFSET, self.offset.to_string()),
        ];
        let headers: Vec<_> = texts.iter().map(|(name, text)| Header { name, value: text.as_bytes() }).collect();
        batch.push(&NewRecord { key: self.key, value: self.value, timestamp: now, headers: &headers })
    }

    /// The instruction that a record is.
    ///
    /// # Errors
    /// Which header is missing, or makes no sense.
    pub(crate) fn read(record: &Record<'a>) -> Result<Self, String> {
        let text = |name: &str| {
            let value = record.headers.value_of(name).ok_or_else(|| format!("without a header: {name}"))?;
            std::str::from_utf8(value).map_err(|_| format!("a header is no text: {name}"))
        };
        let odd = |name: &str, text: &str| format!("a header makes no sense: {name}={text}");
        let named = text(ACTION)?;
        let action = Action::ALL.into_iter().find(|action| action.name() == named);
        let topic = TopicName::new(text(TOPIC)?).map_err(|error| error.to_string())?;
        Ok(Self {
            action: action.ok_or_else(|| odd(ACTION, named))?,
            table: TableName::new(text(TABLE)?).map_err(|error| error.to_string())?,
            number: number(NUMBER, text(NUMBER)?)?,
            from: TopicPartition::new(&topic, Partition(number(PARTITION, text(PARTITION)?)?)),
            offset: Offset(number(OFFSET, text(OFFSET)?)?),
            key: record.key,
            value: record.value,
        })
    }
}

fn number<N: FromStr>(name: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("a header makes no sense: {name}={text}"))
}

#[cfg(test)]
mod tests {
    use linecook_log::Headers;

    use super::*;
    use crate::testing::{at, origin};

    #[test]
    fn an_instruction_is_read_as_it_was_written() {
        for (action, value) in [(Action::Redrive, None), (Action::Edit, Some(&b"7"[..])), (Action::Discard, None)] {
            let table = TableName::new("pizza.baked.parked").unwrap();
            let (from, offset, key) = (at("pizza/3"), Offset(9), Some(&b"12"[..]));
            let instruction = Instruction { action, table, number: 4, from, offset, key, value };
            let mut batch = BatchBuilder::new(&origin(), 0);
            instruction.write(&mut batch, Timestamp(5)).unwrap();
            let batch = batch.finish(Offset(0), Timestamp(5));
            assert_eq!(Instruction::read(&batch.records().next().unwrap()), Ok(instruction));
        }
    }

    #[test]
    fn what_somebody_else_has_written_is_none() {
        let record =
            Record { offset: Offset(0), timestamp: Timestamp(0), key: None, value: None, headers: Headers::default() };
        assert_eq!(Instruction::read(&record), Err("without a header: linecook-instruction".to_owned()));
        let mut batch = BatchBuilder::new(&origin(), 0);
        let headers = [Header { name: ACTION, value: b"forget" }, Header { name: TOPIC, value: b"pizza" }];
        batch.push(&NewRecord { key: None, value: None, timestamp: Timestamp(0), headers: &headers }).unwrap();
        let batch = batch.finish(Offset(0), Timestamp(5));
        let read = Instruction::read(&batch.records().next().unwrap());
        assert_eq!(read, Err("a header makes no sense: linecook-instruction=forget".to_owned()));
    }
}
