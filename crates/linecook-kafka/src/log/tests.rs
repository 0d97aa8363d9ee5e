use std::cell::Cell;

use linecook_log::SystemClock;
use rdkafka::error::RDKafkaErrorCode;

use super::*;
use crate::native::Fault;

fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "no broker answers")
}

/// Another thread asks, too, and what the client tells goes to either. Opening heard from it that all brokers are down,
/// between two looks at the same news, and did not ask again why: a log whose certificate nobody trusts opened.
#[test]
fn why_all_brokers_are_down_is_asked_after_it_is_known_that_they_are() {
    let (news, pings) = (News::default(), Cell::new(0));
    let refused = reach(&news, &SystemClock::new(), || {
        pings.set(pings.get() + 1);
        match pings.get() {
            1 => {
                news.heard(Fault::of_code(RDKafkaErrorCode::AllBrokersDown));
                Err(unavailable())
            }
            _ => Err(Error::invalid("the certificate cannot be verified")),
        }
    });
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(pings.get(), 2);
}

#[test]
fn a_cluster_whose_brokers_are_all_down_is_not_waited_for() {
    let news = News::default();
    news.heard(Fault::of_code(RDKafkaErrorCode::AllBrokersDown));
    let pings = Cell::new(0);
    let ping = || {
        pings.set(pings.get() + 1);
        Err(unavailable())
    };
    reach(&news, &SystemClock::new(), ping).unwrap();
    assert!(news.is_silent() && pings.get() == 1);
}
