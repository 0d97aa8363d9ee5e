//! Ports of 127.0.0.1.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
    sync::{Mutex, PoisonError},
};

use crate::{Error, Result};

/// Below the ports that the system gives to those who connect (from 32,768): a client that keeps trying a port of those
/// while its broker is down would one day be given that very port for itself, be connected to itself, and keep the
/// broker from coming back.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// What this process has given away, so that two threads do not get the same.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nobody listens at, another one each time.
pub(crate) fn free() -> Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let count = RANGE.end - RANGE.start;
    let start = u16::try_from(RandomState::new().hash_one(()) % u64::from(count)).unwrap_or_default();
    let mut candidates = (0..count).map(|step| RANGE.start + (start + step) % count);
    let found = candidates.find(|port| !given.contains(port) && is_free(*port));
    let port = found.ok_or_else(|| Error::setup(format!("no free port of 127.0.0.1 in range={RANGE:?}")))?;
    given.insert(port);
    Ok(port)
}

/// Whether nobody listens at it.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
