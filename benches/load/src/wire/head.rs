//! The head of an answer.

use std::{io, time::Duration};

/// More header lines than this are a fault of the server.
const HEADERS_MAX: usize = 32;
/// A longer head than this is a fault of the server.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// How long the head itself is.
    pub(crate) bytes: usize,
    pub(crate) status: u16,
    pub(crate) body: BodyLength,
    pub(crate) after: After,
    pub(crate) location: Option<Box<str>>,
    pub(crate) retry_after: Option<Duration>,
}

/// Where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyLength {
    Bytes(usize),
    Chunked,
    UntilClosed,
}

/// What happens to the connection afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    Keep,
    Close,
}

impl Head {
    /// Reads a head from the beginning of `inbox`; `None` when it is not all there yet.
    pub(crate) fn parse(inbox: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut answer = httparse::Response::new(&mut headers);
        let bytes = match answer.parse(inbox).map_err(|error| invalid(&error.to_string()))? {
            httparse::Status::Complete(bytes) => bytes,
            httparse::Status::Partial if inbox.len() > HEAD_BYTES_MAX => return Err(invalid("its head is too long")),
            httparse::Status::Partial => return Ok(None),
        };
        let mut head = Self::before_headers(bytes, answer.code.unwrap_or_default(), answer.version);
        for header in answer.headers.iter() {
            head.take(header)?;
        }
        Ok(Some(head))
    }

    fn before_headers(bytes: usize, status: u16, version: Option<u8>) -> Self {
        let body = if status < 200 || status == 204 { BodyLength::Bytes(0) } else { BodyLength::UntilClosed };
        let after = if version == Some(1) { After::Keep } else { After::Close };
        Self { bytes, status, body, after, location: None, retry_after: None }
    }

    fn take(&mut self, header: &httparse::Header<'_>) -> io::Result<()> {
        let text = || std::str::from_utf8(header.value).map_err(|_| invalid("a header is not text")).map(str::trim);
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let length = text()?.parse().map_err(|_| invalid("its content-length is no number"))?;
            self.body = BodyLength::Bytes(length);
        } else if is("transfer-encoding") {
            self.body = BodyLength::Chunked;
        } else if is("connection") && text()?.eq_ignore_ascii_case("close") {
            self.after = After::Close;
        } else if is("location") {
            self.location = Some(text()?.into());
        } else if is("retry-after") {
            self.retry_after = text()?.parse().ok().map(Duration::from_secs);
        }
        Ok(())
    }
}

pub(super) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the answer is not HTTP: {what}"))
}

#[cfg(test)]
mod tests {
    use super::{After, BodyLength, Head};
    use std::time::Duration;

    fn parse(head: &str) -> Head {
        Head::parse(head.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_head_says_where_its_body_ends() {
        assert_eq!(parse("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n").body, BodyLength::Bytes(12));
        assert_eq!(parse("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").body, BodyLength::Chunked);
        assert_eq!(parse("HTTP/1.1 200 OK\r\n\r\n").body, BodyLength::UntilClosed);
        assert_eq!(parse("HTTP/1.1 204 No Content\r\n\r\n").body, BodyLength::Bytes(0));
    }

    #[test]
    fn a_head_says_what_the_client_has_to_do_next() {
        let head = parse("HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nConnection: close\r\ncontent-length: 0\r\n\r\n");
        assert_eq!((head.status, head.retry_after, head.after), (503, Some(Duration::from_secs(2)), After::Close));
        let head = parse("HTTP/1.1 201 Created\r\nlocation: /order/7\r\ncontent-length: 0\r\n\r\n");
        assert_eq!((head.location.as_deref(), head.after), (Some("/order/7"), After::Keep));
    }

    #[test]
    fn half_a_head_is_waited_for() {
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\ncontent-le").unwrap(), None);
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        assert!(Head::parse(b"SSH-2.0-OpenSSH\r\n\r\n").is_err());
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n").is_err());
    }
}
