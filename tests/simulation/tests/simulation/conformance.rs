//! The conformance suite against the log that the simulator runs on: that the contract can be kept, that the suite finds a log
//! that does not keep it, and that the simulator proves more than itself.

use std::{sync::Arc, time::Duration};

use linecook_log::{
    Log,
    conformance::{
        Subject,
        planted::{Law, expect_found},
    },
};
use simulation::log::{Durability, Model};

/// Long enough that a kill finds commits that are not durable.
const DELAY: Duration = Duration::from_millis(2);

const PATIENCE: Duration = Duration::from_secs(20);

mod durable_later {
    use super::*;

    linecook_log::conformance_tests!(Model::new(Durability::Delayed(DELAY), PATIENCE));
}

mod durable_at_once {
    use super::*;

    linecook_log::conformance_tests!(Model::new(Durability::Immediate, PATIENCE));
}

fn impatient() -> Model {
    Model::new(Durability::Delayed(DELAY), Duration::from_secs(2))
}

linecook_log::planted_tests!(impatient);

#[test]
fn a_log_that_is_not_durable_is_found() {
    expect_found(Law::Durable, impatient);
}

/// Whatever panicked counted as found, a subject that could not even be opened as well.
#[test]
#[should_panic(expected = "fails without the fault, too")]
fn a_subject_that_fails_in_any_case_has_not_been_found_out() {
    struct Broken;
    impl Subject for Broken {
        fn open(&mut self) -> Arc<dyn Log> {
            panic!("the disk is missing")
        }
        fn kill(&mut self) {}
        fn max_silence(&self) -> Duration {
            Duration::from_millis(300)
        }
        fn oversize_bytes(&self) -> usize {
            1 << 30
        }
    }
    expect_found(Law::Atomic, || Broken);
}
