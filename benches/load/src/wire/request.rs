//! What the client asks, and how that is written.

use std::io::Write;

use crate::{OrderId, OrderKey, PizzaCount};

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request<'a> {
    Place { count: PizzaCount, key: Option<&'a OrderKey> },
    Look { id: &'a OrderId },
    Ready,
}

/// Whether a request may be sent a second time when nobody knows what became of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    Harmless,
    /// A `POST` without a key: it might make a second order.
    Risky,
}

impl Request<'_> {
    pub(crate) fn repeat(&self) -> Repeat {
        match self {
            Self::Place { key: None, .. } => Repeat::Risky,
            Self::Place { key: Some(_), .. } | Self::Look { .. } | Self::Ready => Repeat::Harmless,
        }
    }

    /// Appends the request to `out`.
    pub(crate) fn encode(&self, authority: &str, out: &mut Vec<u8>) -> std::io::Result<()> {
        match self {
            Self::Place { count, .. } => write!(out, "POST /order/{count} HTTP/1.1\r\nhost: {authority}\r\n")?,
            Self::Look { id } => write!(out, "GET /order/{id} HTTP/1.1\r\nhost: {authority}\r\n")?,
            Self::Ready => write!(out, "GET /readyz HTTP/1.1\r\nhost: {authority}\r\n")?,
        }
        if let Self::Place { key, .. } = self {
            out.extend_from_slice(b"content-length: 0\r\n");
            if let Some(key) = key {
                write!(out, "idempotency-key: {key}\r\n")?;
            }
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }
}
