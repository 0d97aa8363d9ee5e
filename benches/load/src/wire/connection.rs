//! One connection.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    Request,
    head::{After, BodyLength, Head, invalid},
};
use crate::Target;

/// A longer body than this is not read: ten thousand pizzas are about 1.5 MB.
const BODY_BYTES_MAX: usize = 1 << 30;
/// Room for an order of a hundred pizzas, so that one read takes it whole.
const READ_BYTES: usize = 32 << 10;

/// A connection that is kept from request to request. After an error it is of no more use.
pub(crate) struct Connection {
    stream: TcpStream,
    authority: Box<str>,
    outbox: Vec<u8>,
    inbox: BytesMut,
}

/// An answer.
pub(crate) struct Response {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> io::Result<Self> {
        let stream = TcpStream::connect(target.authority()).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, authority: target.authority().into(), outbox: Vec::new(), inbox: BytesMut::new() })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn exchange(&mut self, request: &Request<'_>) -> io::Result<Response> {
        self.outbox.clear();
        request.encode(&self.authority, &mut self.outbox)?;
        self.stream.write_all(&self.outbox).await?;
        let head = self.read_head().await?;
        let body = match head.body {
            BodyLength::Bytes(length) => self.read_bytes(length).await?,
            BodyLength::Chunked => self.read_chunks().await?,
            BodyLength::UntilClosed => self.read_rest().await?,
        };
        Ok(Response { head, body })
    }

    async fn read_head(&mut self) -> io::Result<Head> {
        loop {
            match Head::parse(&self.inbox)? {
                // An interim answer: the one that counts follows.
                Some(head) if head.status < 200 => self.inbox.advance(head.bytes),
                Some(head) => {
                    self.inbox.advance(head.bytes);
                    return Ok(head);
                }
                None => self.read_some().await?,
            }
        }
    }

    async fn read_bytes(&mut self, length: usize) -> io::Result<Bytes> {
        if length > BODY_BYTES_MAX {
            return Err(invalid("its body is too long"));
        }
        self.inbox.reserve(length.saturating_sub(self.inbox.len()));
        while self.inbox.len() < length {
            self.read_some().await?;
        }
        Ok(self.inbox.split_to(length).freeze())
    }

    async fn read_chunks(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let length = self.read_chunk_length().await?;
            if body.len().saturating_add(length) > BODY_BYTES_MAX {
                return Err(invalid("its body is too long"));
            }
            // Also the last, empty chunk ends with a line of its own; trailers are not used by any server we know.
            let chunk = self.read_bytes(length + 2).await?;
            if length == 0 {
                return Ok(body.freeze());
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }

    async fn read_chunk_length(&mut self) -> io::Result<usize> {
        loop {
            match httparse::parse_chunk_size(&self.inbox).map_err(|_| invalid("a chunk has no length"))? {
                httparse::Status::Complete((bytes, length)) => {
                    self.inbox.advance(bytes);
                    return usize::try_from(length).map_err(|_| invalid("a chunk is too long"));
                }
                httparse::Status::Partial => self.read_some().await?,
            }
        }
    }

    async fn read_rest(&mut self) -> io::Result<Bytes> {
        loop {
            match self.read_some().await {
                Ok(()) if self.inbox.len() > BODY_BYTES_MAX => return Err(invalid("its body is too long")),
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(self.inbox.split().freeze()),
                Err(error) => return Err(error),
            }
        }
    }

    async fn read_some(&mut self) -> io::Result<()> {
        self.inbox.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.inbox).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            _ => Ok(()),
        }
    }
}

impl Response {
    /// Whether the connection can be used again.
    pub(crate) fn after(&self) -> After {
        match self.head.body {
            BodyLength::UntilClosed => After::Close,
            BodyLength::Bytes(_) | BodyLength::Chunked => self.head.after,
        }
    }
}
