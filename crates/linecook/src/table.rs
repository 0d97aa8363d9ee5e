//! Tables: keyed state folded from topics.
//!
//! ```text
//!  orders ──────────────► fold ─┐                ┌─► state   one row a key, written whole
//!                               ├─► entry of the ┤
//!  pizza-with-veggies ──► fold ─┘   record's key └─► items   few beside it, more in rows of their own
//!                           └─► emits pizza
//! ```
//!
//! A fold has the entry of its record's key in hand and no other: rows lie in the partition of the record that wrote
//! them, so this is what lets a reader find a key's rows by its partition. What is to be grouped by something else is
//! [counted by partition](crate::PartialCounts).
//!
//! It also asks that the record lies in the partition of its key. What our own writers write does; clients that compute
//! partitions in another way may put a record anywhere. Such a record is not folded but moved, see
//! `service/repartition.rs`; one in its place pays for the hash of its key.

mod entry;
mod expiry;
mod fold;
pub(crate) mod layout;
mod reader;
#[cfg(test)]
mod tests;
pub(crate) mod touched;

use std::{any::Any, fmt, marker::PhantomData, sync::Arc, time::Duration};

use linecook_log::{Member, Partition, Result, RowChange, TableName, Timestamp};

pub use self::{
    entry::Entry,
    reader::{Found, TableReader},
};
pub(crate) use self::{expiry::expired, fold::EntryTable};
use crate::{Context, Event, Failure, FailurePolicy, Key, Service, State, Topic, name, service::Work, worker::Outputs};

type Types<K, S, I> = PhantomData<fn() -> (K, S, I)>;

/// The name of a table together with the types of its keys, of what it knows of a key, and of what it collects under a
/// key: a constant.
///
/// ```
/// use linecook::{Json, Table};
///
/// /// How many pizzas were ordered, and the finished ones.
/// const ORDERS: Table<u64, Json<u32>, String> = Table::new("orders");
/// ```
pub struct Table<K, S, I = ()> {
    name: &'static str,
    types: Types<K, S, I>,
}

impl<K, S, I> Table<K, S, I> {
    /// The table of that name, unique in its service.
    ///
    /// # Panics
    /// When it is not a name, see [`TableName::new`]. In a constant that is an error of the compiler.
    pub const fn new(name: &'static str) -> Self {
        name::assert_is_name(name);
        Self { name, types: PhantomData }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its name as logs take it.
    pub fn log_name(&self) -> TableName {
        TableName::new(self.name).expect("the constructor takes names only")
    }
}

impl<K, S, I> Clone for Table<K, S, I> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, S, I> Copy for Table<K, S, I> {}

impl<K, S, I> fmt::Debug for Table<K, S, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.name)
    }
}

/// Goes on with the declaration of a table, see [`Service::table`].
#[derive(Debug)]
pub struct TableDeclaration<'a, K, S, I> {
    service: &'a mut Service,
    table: usize,
    types: Types<K, S, I>,
}

impl<'a, K: Key, S: State, I: Event + 'static> TableDeclaration<'a, K, S, I> {
    pub(crate) fn new(service: &'a mut Service, table: usize) -> Self {
        Self { service, table, types: PhantomData }
    }

    /// What each record of `from` changes. The topics that a table is folded from have equal partition counts; a
    /// backlog in one that is declared later does not delay those before.
    ///
    /// What a failing fold has changed and emitted is rolled back. A table folds a topic once.
    ///
    /// A record that does not lie in the partition of its key, as [`partition_of`](linecook_log::partition_of) computes
    /// it, is first moved to the service's topic `<service>.<topic>.repartition`, and folded there, once; that topic is
    /// then the one that the context names.
    pub fn fold<V: Event + 'static>(
        mut self,
        from: Topic<K, V>,
        fold: impl Fn(&mut Entry<'_, K, S, I>, V, &Context<'_>) -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Self {
        let run = Arc::new(move |entry: &mut Entry<'_, K, S, I>, context: &Context<'_>| {
            let event = V::decode(context.value()?)?;
            fold(entry, event, context)
        });
        let topic = from.log_name();
        let moved = self.service.repartition_topic(&topic);
        for topic in [&topic, &moved] {
            let work = Work::Fold { table: self.table, fold: self.declared().add_fold(topic, run.clone()) };
            self.service.add_table_step(self.table, topic, work);
        }
        self.service.move_misplaced(&topic, &moved);
        self
    }

    /// A topic that folds of this table [emit](Entry::emit) to.
    pub fn emits<W>(mut self, to: Topic<K, W>) -> Self {
        let topic = to.log_name();
        let target = self.service.add_emitted(self.table, &topic);
        self.declared().add_emitted(topic, target);
        self
    }

    /// What becomes of records that it cannot fold; [`FailurePolicy::default`] unless another is set.
    pub fn on_failure(self, policy: FailurePolicy) -> Self {
        let station = self.service.station_of_table(self.table);
        self.service.set_policy(station, policy);
        self
    }

    /// A key's rows are deleted that long after the key was first written, some at a time, about a minute late.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.declared().retention = Some(retention);
        self
    }

    fn declared(&mut self) -> &mut EntryTable<K, S, I> {
        let declared: &mut dyn Any = self.service.declared_table(self.table);
        declared.downcast_mut().expect("this is what declares it, with these types")
    }
}

/// A table as a worker has it in hand: what the records since the last commit have changed.
pub(crate) trait TableInHand: Send {
    /// Folds the record that `context` tells of. When that fails, it has changed nothing.
    ///
    /// # Errors
    /// Those of `member`. Failures of the record are in the value.
    fn fold(
        &mut self,
        fold: usize,
        context: &Context<'_>,
        outputs: &mut Outputs,
        member: &mut dyn Member,
    ) -> Result<Result<(), Failure>>;

    /// Appends the changes since the last commit, and holds them no longer.
    fn take(&mut self, now: Timestamp, changes: &mut Vec<RowChange>);

    /// Drops the changes since the last commit.
    fn clear(&mut self);
}

/// A table as a service has declared it.
pub(crate) trait DeclaredTable: Any + Send + Sync {
    fn name(&self) -> &TableName;

    /// Whether its keys expire.
    fn has_retention(&self) -> bool;

    /// The table with nothing in hand.
    fn in_hand(&self) -> Box<dyn TableInHand>;
}

/// A row is written by the partition of its record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'a TableName,
    pub(crate) partition: Partition,
}
