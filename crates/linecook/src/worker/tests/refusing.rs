//! Commits that the log never takes.

use std::collections::BTreeMap;

use linecook_log::{ErrorKind, Fetch, Offset};

use super::recovering::{SHOUTED, WORDS, answer, fixture, remember, shout, words};
use crate::{
    Failure, FailurePolicy, Service, State, Step, Table, Topic,
    testing::{Fixture, fetch},
};

const MEASURED: Topic<String, u64> = Topic::new("measured");

/// What came of the words that are polled, which the log repeats until they are committed, and why the worker has ended, if
/// it has: what each partition and each table got, in order.
fn all_of(fixture: &mut Fixture, given: &[&str]) -> (BTreeMap<String, Vec<String>>, Option<String>) {
    let polled = words("words/0", 0, given);
    let mut all = BTreeMap::<_, Vec<_>>::new();
    let mut position = Offset(0);
    for _ in 0..30 {
        fixture.script().polls.clear();
        if position < polled.next {
            fixture.will_fetch([Fetch { position, ..polled.clone() }]);
        }
        if let Err(error) = fixture.worker.step() {
            return (all, Some(error.to_string()));
        }
        for made in fixture.script().made.drain(..) {
            position = made.offsets.iter().map(|(_, offset)| *offset).fold(position, Offset::max);
            let written = made.written().into_iter().filter(|line| !line.contains("dead-letters"));
            let letters = made.dead_letters().into_iter().map(|line| format!("letter {line}"));
            let kept = made.rows.iter().filter(|row| row.table.as_str() == "seen");
            let kept =
                kept.map(|row| format!("seen {}", String::from_utf8_lossy(row.value.as_deref().unwrap_or(b"-"))));
            for line in written.chain(letters).chain(kept) {
                let (place, what) = line.split_once(' ').unwrap();
                all.entry(place.to_owned()).or_default().push(what.to_owned());
            }
        }
    }
    (all, None)
}

#[test]
fn the_one_record_whose_output_the_log_never_takes_is_a_dead_letter() {
    let mut fixture = fixture(shout);
    fixture.script().largest_value_bytes = Some(5);
    let polled = || words("words/0", 0, &["a", "much too long", "b"]);
    fixture.will_fetch([polled()]);
    assert_eq!(fixture.step(), Step::Again);
    // The log repeats what was not committed.
    fixture.will_fetch([polled()]);
    assert_eq!(fixture.step(), Step::Committed { record_count: 1 });
    assert_eq!(fixture.step(), Step::Again);
    let rest = || Fetch { position: Offset(1), ..polled() };
    fixture.will_fetch([rest()]);
    assert_eq!(fixture.step(), Step::Committed { record_count: 1 });
    let reason = "shouted the log does not take what came of it: refused by the script";
    assert_eq!(fixture.last_made().dead_letters(), [reason]);
    assert_eq!(fixture.step(), Step::Committed { record_count: 1 });
    assert_eq!(fixture.last_made().written(), ["shouted/0 k=\"B\""]);
}

/// Handles `record`, which is at offset 7, on a log that takes 450 bytes a record. Returns its letter: the key, the
/// value, and the headers by name.
fn letter_of(key: &str, value: &str) -> (Option<String>, Option<String>, BTreeMap<String, String>) {
    let mut fixture = fixture(|service| {
        service.stage(WORDS, SHOUTED, |_, _| Err(Failure::reject("nobody listens")));
    });
    fixture.script().largest_record_bytes = Some(450);
    let polled = || fetch("words/0", 7, &[(key, value)]);
    for _ in 0..5 {
        fixture.will_fetch([polled()]);
        if fixture.step() != Step::Again {
            break;
        }
    }
    let made = fixture.last_made();
    assert_eq!(made.offsets(), ["words/0:8"]);
    let letter = made.outputs[0].1.records().next().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let headers = letter.headers.map(|header| (header.name.to_owned(), text(header.value))).collect();
    (letter.key.map(text), letter.value.map(text), headers)
}

/// A letter is its record and some headers more. For a record that was almost as large as the log takes them the letter
/// was too large, and so was the letter that told of that; the worker ended, and again after every restart.
#[test]
fn the_letter_of_a_record_that_just_fits_comes_without_its_value() {
    let (key, value, headers) = letter_of("k", &"x".repeat(440));
    assert_eq!((key.as_deref(), value), (Some("k"), None));
    assert_eq!(headers["linecook-value-bytes"], "440");
    let place = ["linecook-topic", "linecook-partition", "linecook-offset"].map(|name| headers[name].as_str());
    assert_eq!(place, ["words", "0", "7"], "where the whole record is to be found");
    assert!(headers["linecook-reason"].starts_with("the log does not take what came of it"), "{headers:?}");
}

/// The same, where even the key is too large for that.
#[test]
fn the_letter_of_a_record_with_a_large_key_comes_without_it() {
    let (key, value, headers) = letter_of(&"k".repeat(440), "x");
    assert_eq!((key, value), (None, None));
    assert_eq!((headers["linecook-value-bytes"].as_str(), headers["linecook-offset"].as_str()), ("1", "7"));
}

#[test]
fn a_letter_that_fits_is_the_whole_record() {
    let (key, value, headers) = letter_of("k", "\"x\"");
    assert_eq!((key.as_deref(), value.as_deref()), (Some("k"), Some("\"x\"")));
    assert_eq!(headers["linecook-reason"], "nobody listens");
    assert!(!headers.contains_key("linecook-value-bytes"));
}

#[test]
fn a_commit_that_is_invalid_whatever_is_in_it_ends_the_worker() {
    let mut fixture = fixture(shout);
    for expected in [Some(Step::Again), Some(Step::Again), Some(Step::Again), Some(Step::Again), None] {
        answer(&fixture, ErrorKind::Invalid);
        fixture.will_fetch([words("words/0", 0, &["a"])]);
        assert_eq!(fixture.worker.step().ok(), expected);
    }
}

/// A state that cannot be encoded once it has the wrong word.
#[derive(Clone)]
struct Fussy(String);

impl State for Fussy {
    fn encode(&self, out: &mut Vec<u8>) {
        assert_ne!(self.0, "wrong");
        out.extend_from_slice(self.0.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, crate::DecodeError> {
        Ok(Self(String::from_utf8_lossy(bytes).into_owned()))
    }
}

#[test]
fn a_state_that_cannot_be_encoded_fails_its_record() {
    let mut fixture = fixture(|service| {
        let table = service.table(Table::<String, Fussy>::new("fussy")).on_failure(FailurePolicy::skip());
        table.fold(WORDS, |entry, word, _| {
            entry.put(Fussy(word));
            Ok(())
        });
    });
    fixture.will_fetch([words("words/0", 0, &["right", "wrong"])]);
    let steps: Vec<_> = (0..4).map(|_| fixture.step()).collect();
    let one = Step::Committed { record_count: 1 };
    assert_eq!(steps, [Step::Again, one, Step::Again, one]);
    let made = fixture.last_made();
    assert!(made.dead_letters()[0].contains("a state that cannot be encoded"), "{:?}", made.dead_letters());
    assert!(made.rows.is_empty());
}

/// Which record a refused commit had was worked out from its offsets. With an offset behind it that is no record, that
/// was the wrong one, and the worker ended; with one of another partition it tried the same commit for ever.
#[test]
fn offsets_that_are_no_records_do_not_hide_the_one_that_is_refused() {
    let with_marker = || vec![Fetch { next: Offset(2), ..words("words/0", 0, &["much too long"]) }];
    let beside_marker = || {
        let only_marker = Fetch { next: Offset(1), ..words("words/1", 0, &[]) };
        vec![words("words/0", 0, &["much too long"]), only_marker]
    };
    for (polled, offsets) in [(with_marker(), vec!["words/0:2"]), (beside_marker(), vec!["words/0:1", "words/1:1"])] {
        let mut fixture = fixture(shout);
        fixture.script().largest_value_bytes = Some(5);
        fixture.will_fetch(polled.clone());
        assert_eq!(fixture.step(), Step::Again);
        fixture.will_fetch(polled);
        assert_eq!(fixture.step(), Step::Committed { record_count: 1 });
        let made = fixture.last_made();
        assert_eq!((made.dead_letters().len(), made.offsets()), (1, offsets.iter().map(ToString::to_string).collect()));
    }
}

/// Three that read the same, one of which makes too much of long words.
fn three(service: &mut Service) {
    service.stage(WORDS, SHOUTED, |word, _| Ok(word.to_uppercase())).on_failure(FailurePolicy::skip());
    service.stage(WORDS, MEASURED, |word, _| Ok(word.len() as u64)).on_failure(FailurePolicy::stop());
    remember(service);
}

/// All that read a record had a dead letter of it when the log did not take what one of them had made, and one that may
/// leave nothing out ended the worker for what was not its own.
#[test]
fn what_one_step_makes_is_no_fault_of_the_others() {
    let mut fixture = fixture(three);
    fixture.script().largest_value_bytes = Some(5);
    let (all, ended) = all_of(&mut fixture, &["a", "much too long", "b"]);
    assert_eq!(ended, None);
    assert_eq!(all["measured/0"], ["k=1", "k=13", "k=1"]);
    assert_eq!(all["shouted/0"], ["k=\"A\"", "k=\"B\""]);
    assert_eq!(all["letter"], ["shouted the log does not take what came of it: refused by the script"]);
    assert!(all["seen"].last().unwrap().ends_with(r#"["a","much too long","b"]"#), "{:?}", all["seen"]);
}

/// It is the first that reads the record; had it been tried first, the other would never have got it.
#[test]
fn who_may_leave_nothing_out_ends_for_what_is_its_own_and_the_others_are_through_with_it() {
    let mut fixture = fixture(|service| {
        service.stage(WORDS, SHOUTED, |word, _| Ok(word.to_uppercase())).on_failure(FailurePolicy::stop());
        service.stage(WORDS, MEASURED, |word, _| Ok(word.len() as u64));
    });
    fixture.script().largest_value_bytes = Some(5);
    let (all, ended) = all_of(&mut fixture, &["a", "much too long"]);
    assert!(ended.as_ref().is_some_and(|why| why.contains("stage=shouted")), "{ended:?}");
    let expected = [("measured/0", vec!["k=1", "k=13"]), ("shouted/0", vec!["k=\"A\""])];
    assert!(
        all.iter().map(|(place, what)| (place.as_str(), what.iter().map(String::as_str).collect())).eq(expected),
        "{all:?}"
    );
}
