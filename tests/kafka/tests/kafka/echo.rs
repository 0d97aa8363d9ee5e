//! A broker that says to each request what was in it, and a client of it.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use kafka_broker::ApiKey;

use crate::PATIENCE;

/// Listens until the test's process ends.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<i16>>>,
}

impl Echo {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::default());
        thread::spawn({
            let seen = Arc::clone(&seen);
            move || {
                for client in listener.incoming() {
                    let seen = Arc::clone(&seen);
                    thread::spawn(move || serve(client.unwrap(), &seen));
                }
            }
        });
        Self { address, seen }
    }

    /// The kinds of requests that it has seen, in order.
    pub(crate) fn seen(&self) -> Vec<i16> {
        self.seen.lock().unwrap().clone()
    }
}

/// A reply is the correlation id and what followed it.
fn serve(mut client: TcpStream, seen: &Mutex<Vec<i16>>) {
    while let Ok(frame) = read(&mut client) {
        seen.lock().unwrap().push(i16::from_be_bytes([frame[0], frame[1]]));
        write(&mut client, &frame[4..]).unwrap();
    }
}

pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    pub(crate) fn send(&mut self, api_key: ApiKey, correlation_id: i32) -> io::Result<()> {
        let head = [api_key.0.to_be_bytes(), 3_i16.to_be_bytes()].concat();
        write(&mut self.0, &[head.as_slice(), &correlation_id.to_be_bytes(), b"pizza"].concat())
    }

    /// The correlation id of the next reply.
    pub(crate) fn receive(&mut self) -> io::Result<i32> {
        let reply = read(&mut self.0)?;
        assert_eq!(&reply[4..], b"pizza");
        Ok(i32::from_be_bytes(reply[..4].try_into().unwrap()))
    }

    pub(crate) fn ask(&mut self, api_key: ApiKey, correlation_id: i32) -> io::Result<i32> {
        self.send(api_key, correlation_id)?;
        self.receive()
    }
}

fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut frame = vec![0; u32::from_be_bytes(length).try_into().unwrap()];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

fn write(stream: &mut TcpStream, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
    stream.write_all(&[length.as_slice(), frame].concat())
}
