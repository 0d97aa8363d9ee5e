use linecook_log::{Fetch, Offset};
use serde_json::json;

use super::*;
use crate::{
    Context, Failure, FailurePolicy, PartialCounts, Step, Topic,
    testing::{Fixture, at, fetch},
};

const WORDS: Topic<String, String> = Topic::new("words");
const SHOUTED: Topic<String, String> = Topic::new("shouted");
const COUNTS: PartialCounts<String> = PartialCounts::new("counts");

/// A stage that refuses `bad`, and puts `never` off; and counts that refuse nothing.
fn shout(service: &mut Service) {
    let shout = |word: String, _: &Context<'_>| match word.as_str() {
        "bad" => Err(Failure::reject("not at all")),
        "never" => Err(Failure::retry("not today")),
        _ => Ok(word.to_uppercase()),
    };
    service.stage(WORDS, SHOUTED, shout).on_failure(FailurePolicy::park());
    service.count(COUNTS, WORDS, |word: String| word);
}

struct AtWork {
    fixture: Fixture,
    desk: Desk,
    /// How many instructions the worker has got.
    obeyed: u64,
}

impl AtWork {
    /// With these words of one partition taken.
    fn with(words: &[(&str, &str)]) -> Self {
        let mut fixture = Fixture::new(shout);
        fixture.assign(&["test.words.control/0", "words/0"]);
        fixture.handle([fetch("words/0", 0, words)]);
        let service = Arc::new(crate::Definition::new("test", 0, shout).service(&mut Default::default()).unwrap());
        let clock: Arc<dyn Clock> = Arc::clone(&fixture.clock) as _;
        let desk = Desk::new(Arc::new(fixture.log.clone()), clock, vec![service]);
        Self { fixture, desk, obeyed: 0 }
    }

    /// The worker polls what the desk has stored, and does it.
    fn obey(&mut self) -> Vec<String> {
        let stored = std::mem::take(&mut self.fixture.script().appended);
        for (to, batch) in stored {
            assert_eq!(to, at("test.words.control/0"));
            let count = u64::from(batch.count());
            let batch = batch.placed(Offset(self.obeyed), linecook_log::Timestamp(0));
            self.fixture.will_fetch([Fetch::new(to, Offset(self.obeyed), batch)]);
            self.obeyed += count;
        }
        self.fixture.script().made.clear();
        while self.fixture.step() != Step::Idle {}
        self.fixture.script().made.iter().flat_map(crate::testing::Made::written).collect()
    }

    fn ids(&self) -> Vec<String> {
        self.desk.list(false).unwrap().into_iter().map(|letter| letter.id.to_string()).collect()
    }
}

fn id(offset: u64) -> RecordId {
    format!("test/shouted/words/0/{offset}").parse().unwrap()
}

const SIX: [(&str, &str); 6] =
    [("a", "\"bad\""), ("b", "\"x\""), ("a", "\"y\""), ("c", "\"bad\""), ("d", "\"never\""), ("a", "\"z\"")];

#[test]
fn the_first_record_of_each_parked_key_is_listed() {
    let at_work = AtWork::with(&SIX);
    let letters = at_work.desk.list(false).unwrap();
    assert_eq!(at_work.ids(), [id(0).to_string(), id(3).to_string()]);
    let Letter { state, key, reason, attempts, behind, first_failed_at, last_failed_at, .. } = &letters[0];
    assert_eq!((*state, key, reason.as_str()), (State::Parked, &json!("a"), "not at all"));
    assert_eq!((*attempts, *behind, first_failed_at), (1, 2, last_failed_at));
    let all = at_work.desk.list(true).unwrap();
    assert_eq!(
        all.iter().filter(|letter| letter.state == State::Retrying).map(|it| it.id.offset.0).collect::<Vec<_>>(),
        [4]
    );
}

#[test]
fn a_record_is_shown_with_its_value_and_what_waits_with_it() {
    let at_work = AtWork::with(&SIX);
    let detail = at_work.desk.show(&id(2)).unwrap();
    assert_eq!((detail.letter.state, detail.letter.attempts, detail.letter.behind), (State::Behind, 0, 1));
    assert_eq!((detail.value, detail.letter.first_failed_at), (json!("\"y\""), None));
    assert_eq!(detail.waiting, [id(0), id(2), id(5)]);
    for unknown in [id(1), "test/shouted/words/1/0".parse().unwrap(), "test/counts/words/0/0".parse().unwrap()] {
        assert!(matches!(at_work.desk.show(&unknown), Err(Denied::NoSuchRecord(_))), "{unknown}");
    }
}

#[test]
fn an_edit_and_a_redrive_complete_a_key_in_order() {
    let mut at_work = AtWork::with(&SIX);
    at_work.desk.edit(&id(0), Some(b"\"good\"")).unwrap();
    let meant = at_work.desk.redrive(&Selection { key: Some("a".to_owned()), ..Selection::default() }).unwrap();
    assert_eq!((meant.len(), meant[0].behind), (1, 2));
    assert_eq!(at_work.obey(), [r#"shouted/0 a="GOOD""#, r#"shouted/0 a="Y""#, r#"shouted/0 a="Z""#]);
    assert_eq!(at_work.ids(), [id(3).to_string()]);
    assert!(matches!(at_work.desk.redrive(&of(id(0))), Err(Denied::NoSuchRecord(_))), "it is done once");
}

fn of(id: RecordId) -> Selection {
    Selection { ids: vec![id], ..Selection::default() }
}

/// Who was interrupted says all of it again, and some of it is on its way twice.
#[test]
fn what_is_said_twice_is_done_once() {
    let mut at_work = AtWork::with(&SIX);
    at_work.desk.discard(&id(5), false).unwrap();
    at_work.desk.discard(&id(5), false).unwrap();
    for _ in 0..2 {
        at_work.desk.edit(&id(0), Some(b"\"good\"")).unwrap();
        at_work.desk.redrive(&Selection { all: true, ..Selection::default() }).unwrap();
    }
    let written = at_work.obey();
    let letters = written.iter().filter(|line| line.starts_with("test.dead-letters"));
    assert!((1..=2).contains(&letters.count()), "of c, which fails again: {written:?}");
    let shouted: Vec<_> = written.iter().filter(|line| line.starts_with("shouted")).collect();
    assert_eq!(shouted, [r#"shouted/0 a="GOOD""#, r#"shouted/0 a="Y""#]);
}

#[test]
fn a_dry_run_says_what_would_be_and_does_nothing() {
    let at_work = AtWork::with(&SIX);
    let selection = Selection { all: true, dry_run: true, max: Some(1), ..Selection::default() };
    assert_eq!(at_work.desk.redrive(&selection).unwrap().len(), 1);
    assert_eq!(at_work.desk.discard(&id(2), true).unwrap().behind, 1);
    assert!(at_work.fixture.script().appended.is_empty());
}

#[test]
fn what_is_not_first_is_redriven_with_the_first() {
    let at_work = AtWork::with(&SIX);
    let denied = at_work.desk.redrive(&of(id(2))).unwrap_err();
    assert!(denied.to_string().ends_with(&format!("id={} first={}", id(2), id(0))), "{denied}");
    assert!(matches!(at_work.desk.redrive(&Selection::default()), Err(Denied::NothingSelected)));
}

/// It waits for its time anyway, and an operator who has mended the cause does not have to.
#[test]
fn what_is_tried_again_by_itself_is_redriven_if_it_is_named() {
    let mut at_work = AtWork::with(&SIX);
    assert_eq!(at_work.desk.redrive(&Selection { all: true, ..Selection::default() }).unwrap().len(), 2);
    assert_eq!(at_work.desk.redrive(&of(id(4))).unwrap()[0].attempts, 1);
    at_work.obey();
    assert_eq!(at_work.desk.show(&id(4)).unwrap().letter.attempts, 2);
}

#[test]
fn a_discarded_record_is_left_out_and_its_key_goes_on() {
    let mut at_work = AtWork::with(&SIX);
    at_work.desk.discard(&id(0), false).unwrap();
    assert_eq!(at_work.obey(), [r#"shouted/0 a="Y""#, r#"shouted/0 a="Z""#]);
}
