//! What a service does with which topics.

mod co_partition;
mod control;
mod repartition;
mod station;
mod steps;

use std::{collections::HashMap, fmt, sync::Arc};

use axum::Router;
use linecook_log::{Clock, GroupName, Log, Result, TableName, TopicName};

use crate::{
    Command, Context, Event, Failure, Key, PartialCounts, State, Table, TableDeclaration, Topic,
    counts::CountTable,
    http::Edge,
    random::StageSeed,
    settings::{self, SettingValue, Settings},
    table::{DeclaredTable, EntryTable},
    worker::{Outputs, TargetIndex},
};

pub use self::station::StageDeclaration;
use self::steps::StageFn;
pub(crate) use self::{
    repartition::Misplaced,
    station::{Station, StationIndex},
    steps::{Input, Role, Step, StepDeclaration, Work},
};

/// What a service's crate exports: its name, its port, and what it is made of.
///
/// ```
/// use linecook::{Definition, Service, Topic};
///
/// const ORDERS: Topic<u64, String> = Topic::new("orders");
/// const GREETINGS: Topic<u64, String> = Topic::new("greetings");
///
/// pub const SERVICE: Definition = Definition::new("greeter", 5001, build);
///
/// fn build(service: &mut Service) {
///     service.stage(ORDERS, GREETINGS, |order, _| Ok(format!("thank you for {order}")));
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Its name, which is that of its group.
    pub name: &'static str,
    /// The port of its HTTP server unless another is set.
    pub port: u16,
    /// Declares its stages, tables, settings and routes.
    pub build: fn(&mut Service),
    /// A command line to try it with; `{url}` stands for the address of its HTTP server.
    pub example: Option<&'static str>,
    /// What it adds to the command line of its program.
    pub commands: &'static [Command],
}

impl Definition {
    /// The service of that name, its HTTP server at that port unless another is set, that `build` declares.
    pub const fn new(name: &'static str, port: u16, build: fn(&mut Service)) -> Self {
        Self { name, port, build, example: None, commands: &[] }
    }

    /// With a command line to try, which is shown at the start; `{url}` stands for the address of its HTTP server.
    #[must_use]
    pub const fn with_example(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }

    /// With commands of its own.
    #[must_use]
    pub const fn with_commands(self, commands: &'static [Command]) -> Self {
        Self { commands, ..self }
    }

    /// The service that is defined, its settings asked for.
    ///
    /// # Errors
    /// `Invalid` when its name is none.
    pub fn service(&self, settings: &mut Settings) -> Result<Service> {
        // Lent to the service while it is built, so that `build` has one argument and no lifetime.
        let mut service = Service::new(GroupName::new(self.name)?, std::mem::take(settings));
        (self.build)(&mut service);
        service.add_control_topics();
        *settings = std::mem::take(&mut service.settings);
        Ok(service)
    }
}

/// A named set of stages and tables. Its name is its consumer group.
///
/// Several stages and tables may read one topic: it is read once, and each gets every record. When one of them fails,
/// what becomes of the record there is its [`FailurePolicy`](crate::FailurePolicy)'s; what the others made of it stays.
pub struct Service {
    name: GroupName,
    /// In the order of their declaration, which is that of the polls.
    inputs: Vec<Input>,
    /// The dead letters, and the topics that stages and tables write to.
    targets: Vec<TopicName>,
    steps: Vec<StepDeclaration>,
    stations: Vec<Station>,
    tables: Vec<OwnTable>,
    /// Which table emits to which topic.
    emitted: Vec<(usize, TopicName)>,
    produced: Vec<TopicName>,
    routes: Option<Box<RoutesFn>>,
    /// Where its settings come from, while it is built.
    settings: Settings,
    /// What is wrong with the declaration; told all together.
    faults: Vec<String>,
}

struct OwnTable {
    declared: Box<dyn DeclaredTable>,
    station: StationIndex,
}

/// Makes a service's routes of what the toolkit gives it.
type RoutesFn = dyn Fn(&Edge) -> Router + Send + Sync;

/// Where dead letters are in the list of targets.
pub(crate) const DEAD_LETTERS: TargetIndex = TargetIndex(0);

impl Service {
    /// A service of that name that does nothing yet; its settings are those of the section of its name.
    pub fn new(name: GroupName, settings: Settings) -> Self {
        let mut faults = Vec::new();
        let dead_letters = TopicName::new(format!("{name}.dead-letters")).unwrap_or_else(|error| {
            faults.push(format!("the name leaves no room for the topic of its dead letters: {error}"));
            TopicName::new("dead-letters").expect("this is a name")
        });
        Self {
            name,
            inputs: Vec::new(),
            targets: vec![dead_letters],
            steps: Vec::new(),
            stations: Vec::new(),
            tables: Vec::new(),
            emitted: Vec::new(),
            produced: Vec::new(),
            routes: None,
            settings,
            faults,
        }
    }

    /// Its name.
    pub fn name(&self) -> &GroupName {
        &self.name
    }

    /// For each record of `from` one of `to`, with the same key, partition and timestamp. The two topics have equal
    /// partition counts.
    ///
    /// The handler is a plain function. It is called again for a record whose commit did not come about, so what it
    /// does is to depend on the event and the context only.
    pub fn stage<K, V: Event + 'static, W: Event + 'static>(
        &mut self,
        from: Topic<K, V>,
        to: Topic<K, W>,
        handle: impl Fn(V, &Context<'_>) -> Result<W, Failure> + Send + Sync + 'static,
    ) -> StageDeclaration<'_> {
        let target = self.target(&to.log_name());
        let run = move |context: &Context<'_>, outputs: &mut Outputs| {
            let event = handle(V::decode(context.value()?)?, context)?;
            outputs.push(target, &context.record, |out| event.encode(out))?;
            Ok(())
        };
        self.add_stage(from.log_name(), to.log_name(), Box::new(run))
    }

    /// For each record of `from` any number of `to`: a filter, a split. Else it is a [`stage`](Self::stage).
    pub fn stage_many<K, V: Event + 'static, W: Event + 'static, All: IntoIterator<Item = W>>(
        &mut self,
        from: Topic<K, V>,
        to: Topic<K, W>,
        handle: impl Fn(V, &Context<'_>) -> Result<All, Failure> + Send + Sync + 'static,
    ) -> StageDeclaration<'_> {
        let target = self.target(&to.log_name());
        let run = move |context: &Context<'_>, outputs: &mut Outputs| {
            for event in handle(V::decode(context.value()?)?, context)? {
                outputs.push(target, &context.record, |out| event.encode(out))?;
            }
            Ok(())
        };
        self.add_stage(from.log_name(), to.log_name(), Box::new(run))
    }

    /// A table of this service; go on with its folds.
    pub fn table<K: Key, S: State, I: Event + 'static>(
        &mut self,
        table: Table<K, S, I>,
    ) -> TableDeclaration<'_, K, S, I> {
        let index = self.add_table(Box::new(EntryTable::<K, S, I>::new(table.log_name())));
        TableDeclaration::new(self, index)
    }

    /// Counts the records of `from` by what `group` makes of them. A group that needs little of them can
    /// [read little](Topic::read_as).
    pub fn count<K, V: Event + 'static, G: Key>(
        &mut self,
        counts: PartialCounts<G>,
        from: Topic<K, V>,
        group: impl Fn(V) -> G + Send + Sync + 'static,
    ) -> StageDeclaration<'_> {
        let mut table = CountTable::new(counts.log_name());
        let fold = table.add_group(group);
        let index = self.add_table(Box::new(table));
        self.add_table_step(index, &from.log_name(), Work::Count { table: index, fold });
        StageDeclaration::new(self, self.tables[index].station)
    }

    /// A topic that is appended to outside of stages and tables, as by the service's HTTP routes.
    pub fn produces<K, V>(&mut self, topic: Topic<K, V>) -> &mut Self {
        self.produced.push(topic.log_name());
        self
    }

    /// Its HTTP routes, made of readers of its tables and producers of its topics.
    pub fn http(&mut self, routes: impl Fn(&Edge) -> Router + Send + Sync + 'static) -> &mut Self {
        self.routes = Some(Box::new(routes));
        self
    }

    /// Its HTTP routes, on a log that has its topics: for who serves them without a [`Program`](crate::Program).
    ///
    /// # Errors
    /// `Unavailable`.
    ///
    /// # Panics
    /// When the log does not have the topics.
    pub fn router(&self, log: &Arc<dyn Log>, clock: &Arc<dyn Clock>) -> Result<Router> {
        let counts = log.topics()?.into_iter().map(|topic| (topic.name, topic.partition_count)).collect();
        let edge = Edge::of(self, log, clock, &Arc::new(counts))?;
        Ok(self.routes.as_ref().map_or_else(Router::new, |routes| routes(&edge)))
    }

    /// A setting of the service: its value, or the default. Asking is declaring: from here on it is a flag, a variable
    /// and a key of the settings file. A faulty one is reported with all others, before anything runs.
    pub fn setting<T: SettingValue>(&mut self, key: settings::Key<T>, default: T) -> T {
        self.settings.section(self.name.as_str()).get(key, default)
    }

    /// A setting that names a topic.
    pub fn topic_setting<K, V>(&mut self, key: settings::Key<String>, default: Topic<K, V>) -> Topic<K, V> {
        let name = self.setting(key, default.name().to_owned());
        Topic::named(&name).unwrap_or_else(|_| {
            self.settings.section(self.name.as_str()).refuse(key.name(), "not a topic's name");
            default
        })
    }

    /// The names of its tables.
    pub fn table_names(&self) -> impl Iterator<Item = &TableName> {
        self.tables().map(DeclaredTable::name)
    }

    pub(crate) fn routes(&self) -> Option<&RoutesFn> {
        self.routes.as_deref()
    }

    /// For each table a topic that it is folded from: its partitions are the table's.
    pub(crate) fn inputs_of_tables(&self) -> HashMap<String, TopicName> {
        let folds = self.steps.iter().filter(|step| matches!(step.role, Role::Table { .. }));
        let folds = folds.filter(|step| !self.is_repartition(&step.from));
        folds.map(|step| (step.name.clone(), step.from.clone())).collect()
    }

    pub(crate) fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    pub(crate) fn targets(&self) -> &[TopicName] {
        &self.targets
    }

    pub(crate) fn steps(&self) -> &[StepDeclaration] {
        &self.steps
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &dyn DeclaredTable> {
        self.tables.iter().map(|table| &*table.declared)
    }

    pub(crate) fn table_at(&self, index: usize) -> &dyn DeclaredTable {
        &*self.tables[index].declared
    }

    pub(crate) fn emitted(&self) -> &[(usize, TopicName)] {
        &self.emitted
    }

    pub(crate) fn produced(&self) -> &[TopicName] {
        &self.produced
    }

    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    pub(crate) fn declared_table(&mut self, table: usize) -> &mut dyn DeclaredTable {
        &mut *self.tables[table].declared
    }

    /// A table gets the records of a topic.
    pub(crate) fn add_table_step(&mut self, table: usize, from: &TopicName, work: Work) {
        let name = self.tables[table].declared.name().to_string();
        let is_fold = |step: &&StepDeclaration| step.role == Role::Table { table };
        let is_declared = !self.is_repartition(from);
        if is_declared && self.steps.iter().filter(is_fold).any(|step| step.from == *from) {
            self.faults.push(format!("a table folds a topic once: table={name} topic={from}"));
        }
        let station = self.tables[table].station;
        self.add_step(StepDeclaration { name, role: Role::Table { table }, from: from.clone() }, station, work);
    }

    /// A table emits to a topic.
    pub(crate) fn add_emitted(&mut self, table: usize, to: &TopicName) -> TargetIndex {
        self.emitted.push((table, to.clone()));
        self.target(to)
    }

    pub(crate) fn station_of_table(&self, table: usize) -> StationIndex {
        self.tables[table].station
    }

    fn add_table(&mut self, declared: Box<dyn DeclaredTable>) -> usize {
        self.expect_new_table(declared.name());
        let station = self.add_station(declared.name().as_str());
        self.tables.push(OwnTable { declared, station });
        self.tables.len() - 1
    }

    fn add_stage(&mut self, from: TopicName, to: TopicName, run: Box<StageFn>) -> StageDeclaration<'_> {
        let name = to.to_string();
        let declared = StepDeclaration { name, role: Role::Stage { to }, from };
        // They would draw the same chance for the same record, and nobody could tell their dead letters apart.
        if self.steps.contains(&declared) {
            self.faults.push(format!("two stages from={} to={}", declared.from, declared.name));
        }
        let station = self.add_station(&format!("{}.{}", declared.from, declared.name));
        self.add_step(declared, station, Work::Stage(run));
        StageDeclaration::new(self, station)
    }

    fn add_step(&mut self, declared: StepDeclaration, station: StationIndex, work: Work) {
        let seed = StageSeed::new(self.name.as_str(), &declared.name, declared.from.as_str());
        let step = Step { number: self.steps.len(), station, seed, work };
        match self.inputs.iter_mut().find(|input| input.topic == declared.from) {
            Some(input) => input.steps.push(step),
            None => {
                let topic = declared.from.clone();
                self.inputs.push(Input { topic, steps: vec![step], misplaced: Misplaced::Stay, controls: vec![] });
            }
        }
        self.steps.push(declared);
    }

    fn target(&mut self, topic: &TopicName) -> TargetIndex {
        let known = self.targets.iter().position(|target| target == topic);
        TargetIndex(known.unwrap_or_else(|| {
            self.targets.push(topic.clone());
            self.targets.len() - 1
        }))
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("name", &self.name).field("steps", &self.steps).finish_non_exhaustive()
    }
}
