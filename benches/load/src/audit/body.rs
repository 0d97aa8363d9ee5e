//! The body of a look at an order: read in full by the auditor, glanced at while time is measured.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Whether an order is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Baking,
    Ready,
}

/// An order as it is shown.
#[derive(Deserialize)]
pub(super) struct OrderBody<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    pub(super) count: u64,
    pub(super) status: Status,
    /// As they were sent: their bytes are what has to stay the same.
    #[serde(borrow)]
    pub(super) pizzas: Vec<&'a RawValue>,
}

/// A pizza as it is shown. What is absent is a finding, not an unreadable body.
#[derive(Deserialize)]
pub(super) struct PizzaBody<'a> {
    pub(super) number: u64,
    #[serde(borrow, default)]
    pub(super) order_id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) sauce: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) cheese: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) meats: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) veggies: Cow<'a, str>,
}

/// The status of a body without reading its pizzas, for which there is no CPU to spare while the server is measured.
/// `None` if it has none where the API says it is: before the pizzas.
pub(crate) fn glance(body: &[u8]) -> Option<Status> {
    let at = memchr::memmem::find(body, b"\"status\"")?;
    let value = body[at + b"\"status\"".len()..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    if value.starts_with(b"\"ready\"") {
        Some(Status::Ready)
    } else {
        value.starts_with(b"\"baking\"").then_some(Status::Baking)
    }
}

/// A checksum of the pizzas of a body, from the opening bracket to the closing one.
pub(super) fn checksum_of_pizzas(body: &[u8]) -> u32 {
    let after_name = memchr::memmem::find(body, b"\"pizzas\"").map_or(body.len(), |at| at + b"\"pizzas\"".len());
    let begin = memchr::memchr(b'[', &body[after_name..]).map_or(body.len(), |at| after_name + at);
    let end = memchr::memrchr(b']', body).map_or(begin, |at| at + 1).max(begin);
    crc32c::crc32c(&body[begin..end])
}

#[cfg(test)]
mod tests {
    use super::{Status, checksum_of_pizzas, glance};

    #[test]
    fn a_glance_sees_the_status() {
        assert_eq!(glance(br#"{"id":"7","count":1,"status":"ready","pizzas":[]}"#), Some(Status::Ready));
        assert_eq!(glance(br#"{"id":"7", "status" : "baking", "pizzas":[]}"#), Some(Status::Baking));
        assert_eq!(glance(br#"{"id":"7","status":"burnt"}"#), None);
        assert_eq!(glance(b""), None);
    }

    #[test]
    fn only_the_pizzas_count_for_their_checksum() {
        let first = checksum_of_pizzas(br#"{"id":"7","status":"ready","pizzas":[{"number":1}]}"#);
        assert_eq!(first, checksum_of_pizzas(br#"{"pizzas":[{"number":1}],"served_at":12}"#));
        assert_ne!(first, checksum_of_pizzas(br#"{"id":"7","status":"ready","pizzas":[{"number":2}]}"#));
    }
}
