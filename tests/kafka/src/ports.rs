//! Ports of 127.0.0.1.

use std::{
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener, UdpSocket},
    ops::Range,
    sync::{Mutex, PoisonError},
};

use crate::{Error, Result};

/// Below the ports that the system gives to those who connect (from 32,768): a client that keeps trying a port of those
/// while its broker is down would one day be given that very port for itself, be connected to itself, and keep the
/// broker from coming back.
const RANGE: Range<u16> = 20_000..32_000;

/// A port is reserved, for threads and processes alike, by whoever has the UDP port of the same number: nobody else needs
/// that one, and it is free again when the process has ended. So it stays ours while a broker is down, too.
static RESERVED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// A port that nobody listens at, another one each time.
pub(crate) fn free() -> Result<u16> {
    let count = RANGE.end - RANGE.start;
    let first = u16::try_from(RandomState::new().hash_one(()) % u64::from(count)).unwrap_or_default();
    let mut candidates = (0..count).map(|step| RANGE.start + (first + step) % count);
    let found = candidates.find_map(|port| {
        let reservation = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        is_free(port).then_some((port, reservation))
    });
    let (port, reservation) =
        found.ok_or_else(|| Error::setup(format!("no free port of 127.0.0.1 in range={RANGE:?}")))?;
    RESERVED.lock().unwrap_or_else(PoisonError::into_inner).push(reservation);
    Ok(port)
}

/// Whether nobody listens at it.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, thread};

    use super::*;

    #[test]
    fn nobody_gets_the_port_of_another() {
        let takers: Vec<_> = (0..8).map(|_| thread::spawn(|| (0..20).map(|_| free().unwrap()).collect())).collect();
        let taken: Vec<Vec<u16>> = takers.into_iter().map(|taker| taker.join().unwrap()).collect();
        let ports: BTreeSet<_> = taken.into_iter().flatten().collect();
        assert_eq!(ports.len(), 160);
        assert!(ports.iter().all(|port| RANGE.contains(port)));
    }
}
