//! The embedded log from outside.

mod subject;

mod conformance {
    linecook_log::conformance_tests!(crate::subject::Embedded::new());
}
