//! Rights of users on what a broker has.

use std::time::Duration;

use crate::{
    ApiKey, Error, Result, clock,
    wire::{self, Reader, Writer},
};

/// What a right is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    kind: i8,
    name: String,
    pattern: i8,
}

impl Resource {
    const LITERAL: i8 = 3;
    const PREFIXED: i8 = 4;

    fn new(kind: i8, name: &str) -> Self {
        Self { kind, name: name.to_owned(), pattern: Self::LITERAL }
    }

    /// A topic; `*` is all of them.
    pub fn topic(name: &str) -> Self {
        Self::new(2, name)
    }

    /// A consumer group.
    pub fn group(name: &str) -> Self {
        Self::new(3, name)
    }

    /// The cluster itself.
    pub fn cluster() -> Self {
        Self::new(4, "kafka-cluster")
    }

    /// A producer's `transactional.id`.
    pub fn transactional_id(name: &str) -> Self {
        Self::new(5, name)
    }

    /// All whose names begin with the name of this one.
    pub fn and_all_that_begin_so(mut self) -> Self {
        self.pattern = Self::PREFIXED;
        self
    }
}

/// What a right lets one do. The numbers are Kafka's.
#[expect(missing_docs, reason = "they are Kafka's names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    All = 2,
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    DescribeConfigs = 10,
    AlterConfigs = 11,
    IdempotentWrite = 12,
}

const ANY_HOST: &str = "*";
const ALLOW: i8 = 3;

/// Grants a right and waits until the broker goes by it.
pub(crate) fn grant(port: u16, principal: &str, operation: Operation, resource: &Resource) -> Result<()> {
    let mut request = Writer::default();
    request.i32(1).i8(resource.kind).string(Some(&resource.name)).i8(resource.pattern);
    request.string(Some(principal)).string(Some(ANY_HOST)).i8(operation as i8).i8(ALLOW);
    change(port, ApiKey::CREATE_ACLS, &request.0)?;
    until(port, &filter(principal, operation, resource), |count| count > 0)
}

/// Takes a right away that was granted like this, and waits until the broker goes by it.
pub(crate) fn revoke(port: u16, principal: &str, operation: Operation, resource: &Resource) -> Result<()> {
    let filter = filter(principal, operation, resource);
    let mut request = Writer::default();
    request.i32(1).0.extend(&filter);
    change(port, ApiKey::DELETE_ACLS, &request.0)?;
    until(port, &filter, |count| count == 0)
}

fn filter(principal: &str, operation: Operation, resource: &Resource) -> Vec<u8> {
    let mut filter = Writer::default();
    filter.i8(resource.kind).string(Some(&resource.name)).i8(resource.pattern);
    filter.string(Some(principal)).string(Some(ANY_HOST)).i8(operation as i8).i8(ALLOW);
    filter.0
}

/// Both replies begin with a time, then for each asked for an error code and a message.
fn change(port: u16, api_key: ApiKey, request: &[u8]) -> Result<()> {
    let reply = wire::ask(port, api_key, 1, request).map_err(Error::cannot("change rights"))?;
    let mut reader = Reader(&reply);
    let code = (|| (reader.i32()?, reader.i32()?, reader.i16()?).2.into())();
    match code {
        Some(0) => Ok(()),
        _ => Err(Error::failed(format!("rights not changed: code={code:?} message={:?}", reader.string()))),
    }
}

/// A change is made by the controller; the broker hears of it a moment later.
fn until(port: u16, filter: &[u8], is_so: impl Fn(i32) -> bool) -> Result<()> {
    let seen = clock::within(Duration::from_secs(10), || {
        let reply = wire::ask(port, ApiKey::DESCRIBE_ACLS, 1, filter).ok()?;
        let mut reader = Reader(&reply);
        let (_throttle, 0) = (reader.i32()?, reader.i16()?) else { return None };
        reader.string()?;
        is_so(reader.i32()?).then_some(())
    });
    seen.ok_or_else(|| Error::failed("the broker does not go by rights that were changed"))
}
