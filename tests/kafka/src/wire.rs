//! The little of Kafka's protocol that is spoken here: frames, and two or three requests in their oldest form.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use crate::ApiKey;

/// A frame that is larger is none: somebody speaks another protocol.
const MAX_FRAME_BYTES: usize = 256 << 20;

/// The next frame without its length; nothing when the other side has closed.
pub(crate) fn read_frame(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::other(format!("not a frame of Kafka's: length={length}")));
    }
    let mut frame = vec![0; length];
    from.read_exact(&mut frame)?;
    Ok(Some(frame))
}

/// Writes a frame and its length.
pub(crate) fn write_frame(to: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    let length = i32::try_from(frame.len()).map_err(io::Error::other)?;
    to.write_all(&[&length.to_be_bytes(), frame].concat())
}

/// The first bytes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestHead {
    pub(crate) api_key: ApiKey,
    pub(crate) correlation_id: i32,
}

impl RequestHead {
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let api_key = i16::from_be_bytes(frame.get(..2)?.try_into().ok()?);
        let correlation_id = i32::from_be_bytes(frame.get(4..8)?.try_into().ok()?);
        Some(Self { api_key: ApiKey(api_key), correlation_id })
    }
}

/// The correlation id of a reply.
pub(crate) fn correlation_id_of(reply: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(reply.get(..4)?.try_into().ok()?))
}

/// Asks the broker at that port one thing on a connection of its own, and returns what follows the reply's head.
pub(crate) fn ask(port: u16, api_key: ApiKey, version: i16, body: &[u8]) -> io::Result<Vec<u8>> {
    let patience = Duration::from_secs(10);
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), patience)?;
    stream.set_read_timeout(Some(patience))?;
    let mut request = Writer::default();
    request.i16(api_key.0).i16(version).i32(0).string(Some("kafka-broker"));
    write_frame(&mut stream, &[request.0.as_slice(), body].concat())?;
    let reply = read_frame(&mut stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(reply.get(4..).unwrap_or_default().to_owned())
}

/// Whether the broker answers requests, which is more than that its port is open.
pub(crate) fn answers(port: u16) -> bool {
    let reply = ask(port, ApiKey::API_VERSIONS, 0, &[]);
    reply.is_ok_and(|reply| Reader(&reply).i16() == Some(0))
}

/// What a request is made of.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn i8(&mut self, value: i8) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn i16(&mut self, value: i16) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// Nothing is a length of −1. Nobody here writes names of more than 32 kB.
    pub(crate) fn string(&mut self, value: Option<&str>) -> &mut Self {
        let length = value.map_or(-1, |value| i16::try_from(value.len()).unwrap_or(i16::MAX));
        self.i16(length).0.extend(value.unwrap_or_default().bytes());
        self
    }
}

/// What a reply is read with. After its end everything is nothing.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.bytes().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.bytes().map(i32::from_be_bytes)
    }

    /// A string; an absent one is empty.
    pub(crate) fn string(&mut self) -> Option<String> {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, b"pizza").unwrap();
        assert_eq!(bytes, b"\0\0\0\x05pizza");
        let mut from = bytes.as_slice();
        assert_eq!(read_frame(&mut from).unwrap().as_deref(), Some(b"pizza".as_slice()));
        assert_eq!(read_frame(&mut from).unwrap(), None);
    }

    #[test]
    fn who_speaks_another_protocol_is_noticed() {
        let error = read_frame(&mut b"GET / HTTP/1.1".as_slice()).unwrap_err();
        assert_eq!(error.to_string(), "not a frame of Kafka's: length=1195725856");
    }

    #[test]
    fn a_reply_that_ends_early_gives_nothing() {
        let mut written = Writer::default();
        written.i16(7).string(Some("salt")).string(None);
        let mut reader = Reader(&written.0);
        assert_eq!(
            (reader.i16(), reader.string(), reader.string()),
            (Some(7), Some("salt".into()), Some(String::new()))
        );
        assert_eq!((reader.i16(), reader.string()), (None, None));
        assert_eq!(Reader(b"\0\x09salt").string(), None);
    }
}
