//! Turn by turn.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    time::Duration,
};

use linecook::{Limits, Metrics, Random, Service, Step, Topology, settings::Settings};
use linecook_log::{Clock, ErrorKind, InstanceName};
use prometheus_client::registry::Registry;

use crate::{
    accidents::Accidents,
    audit::{self, Auditor},
    clock::TurnClock,
    defect::Defect,
    guests::Guests,
    history::History,
    kitchen::{Kitchen, MAX_SILENCE},
    log::Disk,
    taster,
};

/// What has come of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// The same for the same history.
    pub sum: u64,
    /// What is not as it must be, if something is not.
    pub broken: Option<String>,
    /// What has happened, if it was to be kept.
    pub history: Vec<String>,
}

/// Lets happen what that seed decides; with a defect, on a log that has it.
pub fn simulate(seed: u64, defect: Option<Defect>, is_read: bool) -> Outcome {
    let mut simulation = Simulation::new(seed, defect, is_read);
    // A panic of ours is as good as a broken promise, and names its seed.
    let run = panic::catch_unwind(AssertUnwindSafe(|| simulation.run()));
    let broken = match run {
        Ok(outcome) => outcome.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Some(format!("panicked: {}", text.unwrap_or("without a text")))
        }
    };
    Outcome { sum: simulation.history.sum(), broken, history: simulation.history.into_lines() }
}

/// How long accidents happen.
const TURNS: u64 = 1_500;
/// How many rounds all have, after that, to come to rest.
const ROUNDS: u64 = 3_000;

struct Simulation {
    random: Random,
    clock: Arc<TurnClock>,
    accidents: Arc<Accidents>,
    disk: Disk,
    services: Vec<Arc<Service>>,
    metrics: Metrics,
    partitions: u32,
    /// The names of the processes that there may be, and those that run. A name may be there twice: one of the two has not
    /// heard of the other yet.
    names: Vec<InstanceName>,
    kitchens: Vec<Kitchen>,
    guests: Guests,
    history: History,
}

type Done = Result<(), String>;

impl Simulation {
    fn new(seed: u64, defect: Option<Defect>, is_read: bool) -> Self {
        let random = Random::seeded(seed);
        let clock = Arc::<TurnClock>::default();
        let accidents = Arc::new(Accidents::new(random.u64()));
        let disk = Disk::new(Arc::<TurnClock>::clone(&clock), Arc::clone(&accidents), defect);
        let definitions = pizzeria::program().services.into_iter().chain([taster::SERVICE]);
        let mut settings = Settings::default();
        let service = |definition: linecook::Definition| definition.service(&mut settings).expect("they are services");
        let services: Vec<_> = definitions.map(service).map(Arc::new).collect();
        let partitions = 1 + u32::try_from(random.below(4)).unwrap_or(0);
        let names = (1..=1 + random.below(3)).map(|number| InstanceName::new(format!("kitchen-{number}")));
        let simulation = Self {
            names: names.collect::<Result<_, _>>().expect("these are names"),
            random,
            clock,
            accidents,
            disk,
            services,
            metrics: Metrics::new(&mut Registry::default()),
            partitions,
            kitchens: Vec::new(),
            guests: Guests::default(),
            history: History::new(is_read),
        };
        simulation.create_topics();
        simulation
    }

    fn create_topics(&self) {
        let topology = Topology::of(self.services.iter().map(|service| &**service)).expect("they fit together");
        let (log, _) = self.disk.open();
        log.create_topics(&topology.topic_specs(self.partitions)).expect("nothing is in the way yet");
        log.declare_groups(&topology.group_specs()).expect("nothing is in the way yet");
    }

    fn run(&mut self) -> Done {
        for index in 0..self.names.len() {
            self.start(index);
        }
        self.accidents.happen(*self.random.choose(&[0, 5, 20, 60]), *self.random.choose(&[0, 100, 400]));
        for _ in 0..TURNS {
            self.turn()?;
        }
        self.come_to_rest()?;
        let (log, _) = self.disk.open();
        let clock: Arc<dyn Clock> = Arc::<TurnClock>::clone(&self.clock);
        let auditor = Auditor {
            log: &log,
            clock: &clock,
            services: &self.services,
            partitions: self.partitions,
            guests: &self.guests,
        };
        let checked = auditor.check();
        let ends: Vec<_> = log.describe().map_err(|error| error.to_string())?;
        self.tell(format!("the end: {ends:?}"));
        checked
    }

    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    fn tell(&mut self, what: impl std::fmt::Display) {
        let now = self.now();
        self.history.tell(now, what);
    }

    fn turn(&mut self) -> Done {
        self.clock.advance(Duration::from_micros(self.random.below(4_000)));
        self.guests.hear(&self.random);
        match self.random.below(1_000) {
            0..60 => self.order(),
            60..150 => self.sync(),
            150..154 => self.let_time_pass(),
            154..158 => self.end_one(Kitchen::die, "dies"),
            158..161 => self.end_one(Kitchen::leave, "leaves"),
            161..172 => self.start_one(),
            172..176 => self.stand_still(),
            176..178 => self.lose_power(),
            178..181 => self.fill_disk(true),
            181..190 => self.fill_disk(false),
            190..215 => self.put_out(),
            215..221 => self.redrive_now(),
            _ => return self.step_one(),
        }
        Ok(())
    }

    fn order(&mut self) {
        let (log, _) = self.disk.open();
        let told = self.guests.order(&*log, &*self.clock, self.partitions, &self.random);
        self.tell(told);
    }

    fn sync(&mut self) {
        let count = usize::try_from(1 + self.random.below(60)).unwrap_or(1);
        let left = self.disk.sync(count);
        self.tell(format!("disk: {left} changes are not durable"));
    }

    fn let_time_pass(&mut self) {
        let time = *self.random.choose(&[Duration::from_millis(300), Duration::from_secs(5), MAX_SILENCE * 2]);
        self.clock.advance(time);
        self.tell(format!("{time:?} pass"));
    }

    fn end_one(&mut self, how: fn(Kitchen), told: &str) {
        if self.kitchens.is_empty() {
            return;
        }
        let index = usize::try_from(self.random.below(self.kitchens.len() as u64)).unwrap_or(0);
        let kitchen = self.kitchens.remove(index);
        self.tell(format!("{} {told}", kitchen.name));
        how(kitchen);
    }

    /// One that does not run, or, now and then, one more of a name that does: the older is put out.
    fn start_one(&mut self) {
        let index = usize::try_from(self.random.below(self.names.len() as u64)).unwrap_or(0);
        let runs = self.kitchens.iter().any(|kitchen| kitchen.name == self.names[index]);
        if !runs || self.random.below(4) == 0 {
            self.start(index);
        }
    }

    fn start(&mut self, index: usize) {
        let name = self.names[index].clone();
        let clock: Arc<dyn Clock> = Arc::<TurnClock>::clone(&self.clock);
        // Who commits a record or a few at a time may lose a partition with half of what it has polled.
        let output_bytes = *self.random.choose(&[1, 500, 1 << 20]);
        let waiting_records = *self.random.choose(&[2, 10, 10_000]);
        let limits = Limits { output_bytes, waiting_records, ..Limits::default() };
        let mut kitchen = Kitchen::start(&name, &self.disk, &self.services, &clock, (limits, &self.metrics));
        for rival in self.kitchens.iter_mut().filter(|rival| rival.name == name) {
            (rival.has_rival, kitchen.has_rival) = (true, true);
        }
        self.kitchens.push(kitchen);
        self.tell(format!("{name} starts"));
    }

    fn stand_still(&mut self) {
        let time = *self.random.choose(&[MAX_SILENCE / 4, MAX_SILENCE * 3]);
        let until = self.now() + time;
        let Some(kitchen) = self.kitchens.last_mut() else { return };
        kitchen.still_until = until;
        let told = format!("{} stands still for {time:?}", kitchen.name);
        self.tell(told);
    }

    fn lose_power(&mut self) {
        let waiting = self.disk.waiting_count() as u64;
        let survivors = usize::try_from(self.random.below(waiting + 1)).unwrap_or(0);
        self.disk.lose_power(survivors);
        self.kitchens.drain(..).for_each(Kitchen::die);
        self.tell(format!("the power fails: of {waiting} changes {survivors} survive"));
    }

    fn put_out(&mut self) {
        let choose = |count: usize| usize::try_from(self.random.below(count as u64)).unwrap_or(0);
        let group = self.disk.put_out(choose);
        self.tell(format!("a member is taken for silent: {group:?}"));
    }

    fn fill_disk(&mut self, is_full: bool) {
        self.accidents.fill_disk(is_full);
        self.tell(format!("the disk is full: {is_full}"));
    }

    fn step_one(&mut self) -> Done {
        let now = self.now();
        let awake = |kitchen: &Kitchen| kitchen.still_until <= now;
        let able: Vec<_> = (0..self.kitchens.len()).filter(|index| awake(&self.kitchens[*index])).collect();
        if able.is_empty() {
            return Ok(());
        }
        let kitchen = *self.random.choose(&able);
        let cook = usize::try_from(self.random.below(self.services.len() as u64)).unwrap_or(0);
        // Who is blocked may be called too early, too.
        let is_early = self.kitchens[kitchen].workers[cook].wake_at > now;
        if is_early && self.random.below(8) > 0 {
            return Ok(());
        }
        self.step(kitchen, cook).map(drop)
    }

    /// Returns whether something was done.
    fn step(&mut self, kitchen: usize, cook: usize) -> Result<bool, String> {
        let now = self.now();
        let Kitchen { name, workers, .. } = &mut self.kitchens[kitchen];
        let (name, service) = (name.clone(), workers[cook].service.name().clone());
        match workers[cook].step(now) {
            Ok(step) => {
                self.tell(format!("{name} {service}: {step:?}"));
                Ok(step != Step::Idle)
            }
            Err(error) if error.kind() == ErrorKind::Closed && self.kitchens[kitchen].process.is_dead() => {
                self.tell(format!("{name} {service}: dies in the middle of a step"));
                self.kitchens.remove(kitchen);
                Ok(true)
            }
            // Another has its name: it ends, with all that it runs.
            Err(error) if error.kind() == ErrorKind::Fenced && self.kitchens[kitchen].has_rival => {
                self.tell(format!("{name} {service}: is put out"));
                self.kitchens.remove(kitchen).die();
                Ok(true)
            }
            Err(error) => Err(format!("{name} {service} has ended: {}", error.chain())),
        }
    }

    /// Nothing goes wrong any more, and all have time to finish.
    fn come_to_rest(&mut self) -> Done {
        self.accidents.happen(0, 0);
        self.accidents.fill_disk(false);
        self.disk.be_prompt(true);
        self.tell("from here on all goes well");
        let mut quiet_for = Duration::ZERO;
        for _ in 0..ROUNDS {
            // As long as something is done, it is done quickly; then those who are gone have to be missed.
            let time = if quiet_for.is_zero() { Duration::from_millis(100) } else { Duration::from_secs(1) };
            self.clock.advance(time);
            self.start_all();
            let is_quiet = self.round()?;
            self.guests.hear(&self.random);
            quiet_for = if is_quiet { quiet_for + time } else { Duration::ZERO };
            if quiet_for > MAX_SILENCE * 2 {
                match self.redrive()? {
                    0 => return Ok(()),
                    _ => quiet_for = Duration::ZERO,
                }
            }
        }
        Err("they do not come to rest".to_owned())
    }

    /// An operator lets all keys go on that are parked, in the middle of all that befalls. What is said is durable at once, as
    /// is all before it: who says it waits for that.
    fn redrive_now(&mut self) {
        self.disk.be_prompt(true);
        if let Err(why) = self.redrive() {
            self.tell(format!("operator: {why}"));
        }
        self.disk.be_prompt(false);
    }

    /// An operator lets all keys go on that are parked. Returns how many there are.
    fn redrive(&mut self) -> Result<usize, String> {
        let (log, _) = self.disk.open();
        let clock: Arc<dyn Clock> = Arc::<TurnClock>::clone(&self.clock);
        let letters = audit::redrive_all(log, clock, &self.services)?;
        self.tell(format!("operator: redrives {letters:?}"));
        Ok(letters.len())
    }

    /// Who is not there is started, as somebody would.
    fn start_all(&mut self) {
        for index in 0..self.names.len() {
            if !self.kitchens.iter().any(|kitchen| kitchen.name == self.names[index]) {
                self.start(index);
            }
        }
    }

    /// Each has a turn. Returns whether nobody had anything to do.
    fn round(&mut self) -> Result<bool, String> {
        let mut is_quiet = true;
        let mut kitchen = 0;
        'kitchens: while kitchen < self.kitchens.len() {
            self.kitchens[kitchen].still_until = Duration::ZERO;
            let count = self.kitchens.len();
            for cook in 0..self.services.len() {
                is_quiet &= !self.step(kitchen, cook)?;
                if self.kitchens.len() < count {
                    continue 'kitchens; // it was put out, and the next one is in its place
                }
            }
            kitchen += 1;
        }
        Ok(is_quiet)
    }
}
