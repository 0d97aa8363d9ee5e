//! What the server answers, as far as the client reads it. The auditor reads the rest.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;

use crate::{Error, ErrorKind, Order, OrderId, OrderKey, PizzaCount, Result, wire::Response};

/// A 201: from here on the order must not be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The order as it was asked for, under the id of the body.
    pub order: Order,
    /// The `Location` header, which has to be the order's path.
    pub location: Option<Box<str>>,
}

/// What a look at an order shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The body of a 200.
    Found(Bytes),
    /// A 404.
    Missing,
}

#[derive(Deserialize)]
struct Placed<'a> {
    #[serde(borrow)]
    order_id: Cow<'a, str>,
}

impl Acknowledgement {
    pub(super) fn read(response: Response, count: PizzaCount, key: Option<&OrderKey>) -> Result<Self> {
        let placed: Placed<'_> = serde_json::from_slice(&response.body).map_err(|error| {
            let body = super::text(&response.body);
            Error::new(ErrorKind::Unexpected, format!("a 201 without an order_id: body={body}")).caused_by(error.into())
        })?;
        // The id becomes part of a request line.
        if placed.order_id.is_empty()
            || !placed.order_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            let message = format!("an order_id that fits no path: order_id={:?}", placed.order_id);
            return Err(Error::new(ErrorKind::Unexpected, message));
        }
        let order = Order { id: OrderId::new(&*placed.order_id), count, key: key.cloned() };
        Ok(Self { order, location: response.head.location })
    }
}
