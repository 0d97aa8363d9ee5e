//! Counting records by something else than their key.
//!
//! A row belongs to the partition of the record that wrote it. So there is one row for each partition that has records
//! of a group, with a part of the count; the reader adds the parts up, and offers nothing else.
//!
//! ```text
//!  row    │ 1 │ the group's key │ ──► │ version u8 │ count u64 │
//! ```

use std::{collections::BTreeMap, fmt, marker::PhantomData, sync::Arc};

use bytes::Bytes;
use linecook_log::{Error, ErrorKind, Member, Partition, Result, RowChange, Rows, Scan, TableName, Timestamp};

use crate::{
    Context, Event, Failure, Key, State,
    failure::guarded,
    name,
    table::{DeclaredTable, TableInHand, layout, touched::Touched},
    worker::Outputs,
};

const COUNT: u8 = 1;

/// The name of a table that counts records by a group that is not their key, with the type of the group: a constant.
///
/// ```
/// use linecook::PartialCounts;
///
/// const CHEESE_COUNTS: PartialCounts<String> = PartialCounts::new("cheese-counts");
/// ```
pub struct PartialCounts<K> {
    name: &'static str,
    types: PhantomData<fn() -> K>,
}

impl<K> PartialCounts<K> {
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

impl<K> Clone for PartialCounts<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for PartialCounts<K> {}

impl<K> fmt::Debug for PartialCounts<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartialCounts({})", self.name)
    }
}

/// Appends the bytes of the group that the record belongs to.
type GroupFn = dyn Fn(&Context<'_>, &mut Vec<u8>) -> Result<(), Failure> + Send + Sync;

/// [`PartialCounts`] as a service has declared them.
pub(crate) struct CountTable {
    name: TableName,
    groups: Vec<Arc<GroupFn>>,
}

impl CountTable {
    pub(crate) fn new(name: TableName) -> Self {
        Self { name, groups: Vec::new() }
    }

    pub(crate) fn add_group<V: Event, K: Key>(&mut self, group: impl Fn(V) -> K + Send + Sync + 'static) -> usize {
        self.groups.push(Arc::new(move |context, out| {
            group(V::decode(context.value()?)?).encode(out);
            Ok(())
        }));
        self.groups.len() - 1
    }
}

impl DeclaredTable for CountTable {
    fn name(&self) -> &TableName {
        &self.name
    }

    fn has_retention(&self) -> bool {
        false
    }

    fn in_hand(&self) -> Box<dyn TableInHand> {
        Box::new(CountsInHand { name: self.name.clone(), groups: self.groups.clone(), counts: Touched::default() })
    }
}

struct CountsInHand {
    name: TableName,
    groups: Vec<Arc<GroupFn>>,
    counts: Touched<u64>,
}

impl TableInHand for CountsInHand {
    fn fold(
        &mut self,
        fold: usize,
        context: &Context<'_>,
        _outputs: &mut Outputs,
        member: &mut dyn Member,
    ) -> Result<Result<(), Failure>> {
        let place = self.counts.look_for(context.partition());
        place.push(COUNT);
        let group = &self.groups[fold];
        // It only writes to what the next look-up overwrites: nothing is to be undone.
        if let Err(failure) = guarded(|| group(context, place)) {
            return Ok(Err(failure));
        }
        let index = match self.counts.find() {
            Some(index) => index,
            None => self.load(context.partition(), member)?,
        };
        *self.counts.get_mut(index) += 1;
        Ok(Ok(()))
    }

    fn take(&mut self, _now: Timestamp, changes: &mut Vec<RowChange>) {
        for (partition, key, count) in self.counts.drain() {
            let mut value = layout::begun_value();
            State::encode(&count, &mut value);
            changes.push(RowChange { table: self.name.clone(), partition, key, value: Some(layout::kept(value)) });
        }
    }

    fn clear(&mut self) {
        self.counts.clear();
    }
}

impl CountsInHand {
    fn load(&mut self, partition: Partition, member: &mut dyn Member) -> Result<usize> {
        let stored = member.get(&self.name, partition, self.counts.row_key())?;
        let count = stored.map(|value| count_of(&value)).transpose()?.unwrap_or(0);
        Ok(self.counts.insert(count))
    }
}

fn count_of(value: &Bytes) -> Result<u64> {
    State::decode(layout::body(value)?).map_err(corrupt)
}

fn corrupt(error: crate::DecodeError) -> Error {
    Error::new(ErrorKind::Corrupt, "a row of counts that cannot be read").with_source(error)
}

/// Reads counts from outside of their service's workers: what is durable, of finished commits only.
///
/// ```
/// use std::{collections::BTreeMap, sync::Arc};
///
/// use linecook::CountsReader;
/// use linecook_log::{Result, Rows};
///
/// fn report(rows: Arc<dyn Rows>) -> Result<BTreeMap<String, u64>> {
///     CountsReader::new(rows, 4).totals()
/// }
/// ```
pub struct CountsReader<K> {
    rows: Arc<dyn Rows>,
    partition_count: u32,
    types: PhantomData<fn() -> K>,
}

impl<K: Key + Ord> CountsReader<K> {
    /// A reader of those rows. `partition_count` is that of the topic whose records are counted.
    pub fn new(rows: Arc<dyn Rows>, partition_count: u32) -> Self {
        Self { rows, partition_count, types: PhantomData }
    }

    /// How many records there are of each group, in all partitions together. Each partition is read as of one moment,
    /// all of them as of about the same.
    ///
    /// # Errors
    /// `Unavailable` when a partition is not here or not restored yet; `Corrupt`.
    pub fn totals(&self) -> Result<BTreeMap<K, u64>> {
        let mut totals = BTreeMap::new();
        for partition in Partition::all(self.partition_count) {
            for (key, value) in self.rows.scan(partition, Scan::prefix(&[COUNT]))? {
                let group = K::decode(&key[1..]).map_err(corrupt)?;
                *totals.entry(group).or_default() += count_of(&value)?;
            }
        }
        Ok(totals)
    }
}

impl<K> Clone for CountsReader<K> {
    fn clone(&self) -> Self {
        Self { rows: Arc::clone(&self.rows), ..*self }
    }
}

impl<K> fmt::Debug for CountsReader<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountsReader").field("partition_count", &self.partition_count).finish_non_exhaustive()
    }
}
