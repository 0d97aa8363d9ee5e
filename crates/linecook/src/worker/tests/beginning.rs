//! Records that end the process.
//!
//! A process ends in these tests where a commit has no answer: its worker is dropped, and another begins on the same log.

use std::collections::BTreeMap;

use linecook_log::{Clock, Error, ErrorKind, Fetch, Offset};

use super::{
    recovering::remember,
    retrying::{A_WHILE, SHOUTED, TABLE, WORDS, parked, words},
};
use crate::{
    Failure, FailurePolicy, Limits, Service, Step, Topic,
    testing::{Fixture, Made},
};

const MEASURED: Topic<String, u64> = Topic::new("measured");
pub(super) const DEADLY: &str = "deadly";

/// The handler does nothing about `deadly`: it is the test that ends the process when it was handed out.
pub(super) fn shout(service: &mut Service) {
    let shout = |word: String, context: &crate::Context<'_>| match word.as_str() {
        "later" if context.attempt() == 1 => Err(Failure::retry("not yet")),
        "later" => Ok(DEADLY.to_uppercase()),
        _ => Ok(word.to_uppercase()),
    };
    service.stage(WORDS, SHOUTED, shout).on_failure(FailurePolicy::park());
}

/// Nobody starts again in less.
pub(super) const A_MOMENT: std::time::Duration = std::time::Duration::from_millis(1);

/// A process, and how those before it have ended.
struct Life {
    fixture: Fixture,
    build: fn(&mut Service),
    /// All that was committed, in order.
    made: Vec<Made>,
    deaths: usize,
}

impl Life {
    fn new(build: fn(&mut Service)) -> Self {
        Self { fixture: assigned(Fixture::new(build), 0), build, made: Vec::new(), deaths: 0 }
    }

    /// Handles these records of one partition until nothing is left to be done, through as many deaths as it takes: a
    /// process dies when a record that says so has come to a handler, before that is committed.
    fn live(&mut self, polled: &Fetch) {
        let mut position = Offset(0);
        for _ in 0..200 {
            self.fixture.script().polls.clear();
            if position < polled.next {
                self.fixture.will_fetch([Fetch { position, ..polled.clone() }]);
            }
            self.fixture.script().is_deadly = Some(DEADLY);
            let step = self.fixture.step();
            let has_died = self.fixture.script().has_died;
            let made: Vec<_> = self.fixture.script().made.drain(..).collect();
            for made in made {
                position = made.offsets.iter().map(|(_, offset)| *offset).fold(position, Offset::max);
                self.made.push(made);
            }
            if has_died {
                self.die(position);
            } else if step == Step::Idle {
                return;
            }
        }
        panic!("it goes on and on: {:?}", self.deaths);
    }

    fn die(&mut self, position: Offset) {
        self.deaths += 1;
        self.fixture.clock.advance(A_MOMENT);
        let fixture = Fixture::on(self.fixture.log.clone(), self.fixture.clock.clone(), self.build, Limits::default());
        fixture.script().has_died = false;
        fixture.script().polls.clear();
        self.fixture = assigned(fixture, position.0);
    }

    fn written(&self) -> Vec<String> {
        self.made.iter().flat_map(Made::written).collect()
    }

    fn letters(&self) -> Vec<String> {
        self.made.iter().flat_map(Made::dead_letters).collect()
    }
}

pub(super) fn assigned(mut fixture: Fixture, position: u64) -> Fixture {
    fixture.assign_from(&["words/0"], position);
    fixture
}

const ENDED: &str = "shouted it was begun again and again, and each time its process has ended, or lost its partition";

/// It ended its process after every start, on whichever machine, and nothing behind it was ever handled.
#[test]
fn a_record_that_ends_the_process_is_parked_after_some_starts_and_all_others_are_handled_once() {
    let mut life = Life::new(shout);
    life.live(&words("words/0", 0, &["a=x", "b=y", "c=deadly", "c=z", "d=x", "a=y"]));
    assert_eq!(life.letters(), [ENDED]);
    let shouted: Vec<_> = life.written().into_iter().filter(|line| line.starts_with("shouted")).collect();
    assert_eq!(shouted, ["a=\"X\"", "b=\"Y\"", "d=\"X\"", "a=\"Y\""].map(|line| format!("shouted/0 {line}")));
    assert_eq!(life.deaths, 4, "twice in company, twice alone");
    assert_eq!(parked(&life.fixture, TABLE), 3, "its key waits, with the one behind it");
}

#[test]
fn it_may_be_the_first_of_all() {
    let mut life = Life::new(shout);
    life.live(&words("words/0", 0, &["c=deadly", "a=x"]));
    assert_eq!((life.letters(), life.deaths), (vec![ENDED.to_owned()], 4));
}

#[test]
fn two_that_end_the_process_are_two_letters() {
    let mut life = Life::new(shout);
    life.live(&words("words/0", 0, &["a=x", "c=deadly", "a=y", "d=deadly", "a=z"]));
    assert_eq!(life.letters(), [ENDED, ENDED]);
    assert_eq!(life.written().len(), 5);
}

/// Three read it, and it is one that ends the process.
#[test]
fn of_several_that_read_it_only_the_one_that_ends_the_process_has_a_letter() {
    let mut life = Life::new(|service| {
        shout(service);
        service.stage(WORDS, MEASURED, |word, _| Ok(word.len() as u64));
        remember(service);
    });
    life.live(&words("words/0", 0, &["a=x", "c=deadly", "c=z", "d=y"]));
    assert_eq!(life.letters(), [ENDED]);
    let mut by_topic = BTreeMap::<_, Vec<_>>::new();
    for line in life.written().iter().filter(|line| !line.contains("dead-letters")) {
        let (topic, what) = line.split_once(' ').unwrap();
        by_topic.entry(topic.to_owned()).or_default().push(what.to_owned());
    }
    assert_eq!(by_topic["measured/0"].len(), 4, "{by_topic:?}");
    assert_eq!(by_topic["shouted/0"], [r#"a="X""#, r#"d="Y""#], "{by_topic:?}");
}

/// It was put off, and ends the process when it is tried again: it did so at each start, for it was due.
#[test]
fn what_ends_the_process_when_it_is_tried_again_is_parked_as_well() {
    let mut life = Life::new(shout);
    life.live(&words("words/0", 0, &["a=later", "b=x"]));
    assert_eq!((life.deaths, life.written().len()), (0, 1));
    life.fixture.clock.advance(A_WHILE);
    life.live(&Fetch { position: Offset(2), next: Offset(2), ..words("words/0", 2, &[]) });
    assert_eq!((life.letters(), life.deaths), (vec![ENDED.to_owned()], 4));
    assert_eq!(parked(&life.fixture, TABLE), 2);
}

/// One commit more for an assignment whose records come, and none after that.
#[test]
fn what_is_begun_is_noted_once_after_an_assignment() {
    let mut fixture = assigned(Fixture::new(shout), 0);
    assert_eq!(fixture.step(), Step::Idle);
    assert!(fixture.script().notes.is_empty(), "nothing was begun");
    fixture.handle([words("words/0", 0, &["a=x"])]);
    fixture.handle([words("words/0", 1, &["a=y"])]);
    let notes: Vec<_> = fixture.script().notes.drain(..).collect();
    assert_eq!(notes.iter().map(Made::offsets).collect::<Vec<_>>(), [["words/0:0"]], "in the name of its partition");
    assert_eq!(notes[0].rows[0].value.as_deref().map(|value| &value[..2]), Some(&b"\x01\x01"[..]));
    fixture.assign_from(&["words/0"], 2);
    fixture.handle([words("words/0", 2, &["a=z"])]);
    assert_eq!(fixture.script().notes.len(), 1);
}

/// A start that comes to a commit is no sign of anything, however often.
#[test]
fn who_gets_on_begins_anew() {
    for _ in 0..2 {
        let mut fixture = assigned(Fixture::new(shout), 0);
        for offset in 0..20 {
            fixture.assign_from(&["words/0"], offset);
            fixture.handle([words("words/0", offset, &["a=x"])]);
            let note = fixture.script().notes.pop().unwrap();
            assert_eq!(note.rows[0].value.as_ref().unwrap()[1], 1);
        }
    }
}

/// While the log takes nothing, nothing is begun: what cannot be noted would be begun for ever.
#[test]
fn nothing_is_begun_that_cannot_be_noted() {
    let mut fixture = assigned(Fixture::new(shout), 0);
    for _ in 0..10 {
        fixture.script().note_errors.push_back(Error::new(ErrorKind::Unavailable, "no broker"));
        fixture.will_fetch([words("words/0", 0, &["a=x"])]);
        assert!(matches!(fixture.step(), Step::Blocked { .. }));
        assert!(fixture.script().made.is_empty());
    }
    assert_eq!(fixture.handle([words("words/0", 0, &["a=x"])]).written().len(), 1);
    assert_eq!(fixture.script().notes.len(), 1);
}

/// A process that starts on the log of the one before it.
pub(super) fn next_life(fixture: &Fixture, build: fn(&mut Service), position: u64) -> Fixture {
    fixture.clock.advance(A_MOMENT);
    fixture.script().polls.clear();
    assigned(Fixture::on(fixture.log.clone(), fixture.clock.clone(), build, Limits::default()), position)
}

/// What came before a suspect in the same poll used up how long it was one.
#[test]
fn a_suspect_is_one_however_much_comes_before_it() {
    let mut fixture = assigned(Fixture::new(shout), 0);
    for _ in 0..2 {
        fixture.script().is_deadly = Some(DEADLY);
        fixture.will_fetch([words("words/0", 0, &["a=deadly"])]);
        fixture.step();
        fixture.script().has_died = false;
        fixture = next_life(&fixture, shout, 0);
    }
    fixture.assign_from(&["words/1"], 0);
    let many: Vec<_> = (0..1_500).map(|_| "a=x").collect();
    fixture.script().is_deadly = None;
    fixture.will_fetch([words("words/1", 0, &many), words("words/0", 0, &["a=y", "a=z"])]);
    let steps: Vec<_> = (0..3).map(|_| fixture.step()).collect();
    let counts = [1_500, 1, 1].map(|record_count| Step::Committed { record_count });
    assert_eq!(steps, counts);
}

/// An empty row was passed over in the commit of what came behind it, which was begun unnoted.
#[test]
fn what_comes_behind_a_discarded_record_is_noted() {
    let mut life = Life::new(|service| {
        let policy = FailurePolicy::park().attempts(2).backoff(A_WHILE, A_WHILE);
        let shout = |word: String, context: &crate::Context<'_>| match word.as_str() {
            "later" if context.attempt() == 1 => Err(Failure::retry("not yet")),
            _ => Ok(word.to_uppercase()),
        };
        service.stage(WORDS, SHOUTED, shout).on_failure(policy);
    });
    life.live(&words("words/0", 0, &["a=later", "a=x", "a=deadly"]));
    let table = linecook_log::TableName::new(TABLE).unwrap();
    let (partition, key, _) = life.fixture.log.rows_of(&table).remove(2);
    life.fixture.log.put_row(&table, partition, key, &b"\x01"[..]);
    life.fixture.clock.advance(A_WHILE);
    life.live(&Fetch { position: Offset(3), next: Offset(3), ..words("words/0", 3, &[]) });
    assert_eq!((life.letters(), life.written().len()), (vec![ENDED.to_owned()], 2));
}

/// It ended as many processes once more as it had before.
#[test]
fn a_condemned_record_that_is_redriven_ends_one_process_more_at_most() {
    let mut life = Life::new(shout);
    life.live(&words("words/0", 0, &["c=deadly"]));
    let before = life.deaths;
    let due = life.fixture.clock.timestamp();
    let table = linecook_log::TableName::new(TABLE).unwrap();
    let (partition, key, value) = life.fixture.log.rows_of(&table).remove(0);
    let mut value = value.to_vec();
    value[1..9].copy_from_slice(&due.0.to_le_bytes());
    life.fixture.log.put_row(&table, partition, key, value);
    life.fixture.assign_from(&["words/0"], 1);
    life.live(&Fetch { position: Offset(1), next: Offset(1), ..words("words/0", 1, &[]) });
    assert_eq!((life.deaths - before, life.letters().len()), (1, 2));
}

/// Where it was noted was behind the mark, and where it was looked for before it: the count began anew for ever.
#[test]
fn what_is_no_record_before_it_does_not_hide_a_deadly_record() {
    let mut fixture = assigned(Fixture::new(shout), 0);
    for deaths in 0..20 {
        fixture.script().is_deadly = Some(DEADLY);
        let mark = Fetch { next: Offset(1), ..words("words/0", 0, &[]) };
        let deadly = || Fetch { position: Offset(1), ..words("words/0", 1, &["a=deadly"]) };
        fixture.will_fetch([mark, deadly()]);
        fixture.step();
        let has_died = fixture.script().has_died;
        if !has_died {
            assert_eq!((fixture.last_made().dead_letters(), deaths), (vec![ENDED.to_owned()], 4));
            return;
        }
        fixture.script().has_died = false;
        fixture = next_life(&fixture, shout, 0);
    }
    panic!("it is never found");
}
