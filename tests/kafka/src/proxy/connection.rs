//! One client and the broker.

use std::{
    collections::BTreeMap,
    io::{self, BufReader},
    net::{Shutdown, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{Hits, Inside, rule::Fate};
use crate::wire::{self, RequestHead};

#[derive(Debug)]
pub(super) struct Connection {
    client: TcpStream,
    broker: TcpStream,
    is_open: AtomicBool,
    /// Replies that are to be lost, by their correlation id, and who counts that. It is settled when the request comes, so
    /// that a rule never hits a reply to something from before it.
    to_lose: Mutex<BTreeMap<i32, Hits>>,
}

impl Connection {
    pub(super) fn new(client: TcpStream, broker: TcpStream) -> io::Result<Self> {
        client.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        Ok(Self { client, broker, is_open: AtomicBool::new(true), to_lose: Mutex::default() })
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }

    /// Ends both threads, too: they read from it.
    pub(super) fn close(&self) {
        self.is_open.store(false, Ordering::SeqCst);
        self.client.shutdown(Shutdown::Both).ok();
        self.broker.shutdown(Shutdown::Both).ok();
    }

    /// Returns when the connection is over or has to be closed.
    pub(super) fn forward_requests(&self, inside: &Inside) -> io::Result<()> {
        let mut from = BufReader::new(&self.client);
        while let Some(frame) = wire::read_frame(&mut from)? {
            let head = RequestHead::of(&frame).ok_or(io::ErrorKind::InvalidData)?;
            inside.wait_for_turn(self);
            match inside.judge(head.api_key) {
                (Fate::Pass, _) => {}
                (Fate::CutRequest, hits) => {
                    hits.add(); // first: who sees the connection closed finds it counted
                    self.close();
                    return Ok(());
                }
                (Fate::CutReply, hits) => {
                    let mut to_lose = self.to_lose.lock().unwrap_or_else(PoisonError::into_inner);
                    to_lose.insert(head.correlation_id, hits);
                }
            }
            wire::write_frame(&mut &self.broker, &frame)?;
        }
        Ok(())
    }

    /// The same for the other direction.
    pub(super) fn forward_replies(&self, inside: &Inside) -> io::Result<()> {
        let mut from = BufReader::new(&self.broker);
        while let Some(frame) = wire::read_frame(&mut from)? {
            let correlation_id = wire::correlation_id_of(&frame).ok_or(io::ErrorKind::InvalidData)?;
            let lost = self.to_lose.lock().unwrap_or_else(PoisonError::into_inner).remove(&correlation_id);
            if let Some(hits) = lost {
                hits.add();
                self.close();
                return Ok(());
            }
            inside.wait_for_turn(self);
            wire::write_frame(&mut &self.client, &frame)?;
        }
        Ok(())
    }
}
