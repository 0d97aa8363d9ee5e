//! Records that are no longer in memory, on a device that cannot be read for a while.

use std::time::Duration;

use linecook_embedded::fault::Reads;
use linecook_log::{ErrorKind, Poll};

use crate::support::{Place, at, create, group, join, numbers_of, padded, read_all, refusal, store, tiny, until, wait};

/// A poll that failed at one partition dropped what it had taken from those before, but went on behind it: the next
/// commit said that these records were consumed, and nobody had seen them.
#[test]
fn a_read_that_fails_skips_no_records_and_is_told() {
    let mut options = tiny();
    options.hot_bytes = 8000;
    let place = Place::new(options);
    let log = place.open();
    create(&*log, &["a"], 3);
    create(&*log, &["noise"], 1);
    let mut member = join(&*log, &group("g"), "a");
    // Partition 1 is read from files, the others from memory.
    store(&*log, &at("a", 1), [1]);
    for number in 0..10 {
        wait(&log.append(&at("noise", 0), padded([number], 2000)).unwrap()).unwrap();
    }
    store(&*log, &at("a", 0), [100]);
    store(&*log, &at("a", 2), [200]);
    assert_eq!(read_all(&*log, &at("a", 1)), [1]);
    place.files.set_reads(Reads::Failing);
    let mut polled = Vec::new();
    let mut told = Vec::new();
    for round in 0..20 {
        match member.poll(Duration::ZERO, 100_000) {
            Ok(Poll::Records(fetches)) => {
                polled.extend(fetches.iter().flat_map(|fetch| numbers_of(&fetch.batch, fetch.position)));
            }
            Ok(_) => panic!("there is more that cannot be read"),
            Err(error) => told.push(error),
        }
        // There is always something that can be read: what cannot must not go unheard because of it.
        store(&*log, &at("a", 0), [101 + round]);
    }
    assert!(told.len() >= 5, "it is told again and again: {} of 20", told.len());
    let text = refusal(Err::<(), _>(told.swap_remove(0)), ErrorKind::Unavailable);
    assert!(text.contains("the device cannot be read"), "{text}");
    place.files.set_reads(Reads::Honest);
    let mut expected = vec![1, 200];
    expected.extend(100..121);
    until("all is polled", || {
        if let Ok(Poll::Records(fetches)) = member.poll(Duration::from_millis(5), 100_000) {
            polled.extend(fetches.iter().flat_map(|fetch| numbers_of(&fetch.batch, fetch.position)));
        }
        polled.len() >= expected.len()
    });
    polled.sort_unstable();
    expected.sort_unstable();
    assert_eq!(polled, expected);
}
