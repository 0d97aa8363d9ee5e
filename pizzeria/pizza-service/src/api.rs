//! The HTTP routes: `POST /order/{count}` and `GET /order/{id}`.

use std::{io::Write, sync::Arc, time::Duration};

use linecook::{
    TableReader,
    axum::{
        Json, Router,
        extract::State,
        http::{HeaderMap, StatusCode, header},
        response::{IntoResponse, Response},
        routing::post,
    },
    http::{Edge, PathText, Problem, Producer, blocking, reading},
    log::{self, ErrorKind},
};
use pizzeria_events::{ORDERS, Order, OrderId};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    finished::FinishedPizza,
    orders::{KnownOrder, Limits, TABLE},
};

/// How long an order may take to be on disk before its client hears that the outcome is not known.
const STORE_WITHIN: Duration = Duration::from_secs(5);
/// How long a GET waits for the table to reach what was ordered before it.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(2);
/// Of an order of so many pizzas the answer takes less than a millisecond, and is put together where requests are answered.
const FEW_PIZZAS: u32 = 500;
/// The longest `Idempotency-Key`.
const IDEMPOTENCY_KEY_BYTES: usize = 255;

struct Api {
    orders: TableReader<OrderId, KnownOrder, FinishedPizza>,
    producer: Producer<OrderId, Order>,
    order_limit: u32,
}

pub(crate) fn routes(edge: &Edge, limits: Limits) -> Router {
    let api = Api { orders: edge.table(TABLE), producer: edge.producer(&ORDERS), order_limit: limits.count };
    Router::new()
        // The two share a path, and a path has one name for its part: it is a count here and an id there.
        .route("/order/{count_or_id}", post(place_order).get(show_order))
        .with_state(Arc::new(api))
}

async fn place_order(
    State(api): State<Arc<Api>>,
    PathText(count): PathText,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let count = parse_count(&count, api.order_limit)?;
    let key = headers.get("idempotency-key");
    let order_id = match key {
        None => OrderId::from_bits(Uuid::new_v4().as_u128()),
        Some(key) => id_of_key(key.as_bytes())?,
    };
    if key.is_some() {
        check_count(&api, order_id, count).await?;
    }
    let order = Order { order_id, count, unknown: Default::default() };
    let stored = api.producer.append(&order_id, &order).map_err(|error| Problem::of_write(&error))?;
    match tokio::time::timeout(STORE_WITHIN, stored).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(Problem::of_write(&error)),
        Err(_) => return Err(Problem::unavailable("whether it was stored is not known: the log has not answered yet")),
    }
    if key.is_some() && caught_up(&api, order_id).await.is_ok() {
        // Of two that came at once the first is the order, and this one may have been the second. It is stored in any case:
        // nothing else is said against it.
        let checked = check_count(&api, order_id, count).await;
        checked.or_else(|problem| if problem.status() == StatusCode::CONFLICT { Err(problem) } else { Ok(()) })?;
    }
    let location = format!("/order/{order_id}");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(json!({ "order_id": order_id }))).into_response())
}

async fn show_order(State(api): State<Arc<Api>>, PathText(id): PathText) -> Result<Response, Problem> {
    let id: OrderId = id.parse().map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("{error}: id={id}")))?;
    if let Some(body) = body(&api, id).await? {
        return Ok(as_json(body));
    }
    caught_up(&api, id).await?;
    let body = body(&api, id).await?;
    body.map(as_json).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("no such order: id={id}")))
}

/// Waits until the table has all of this order that was acknowledged by now: it may have been ordered a moment ago.
async fn caught_up(api: &Api, id: OrderId) -> Result<(), Problem> {
    match tokio::time::timeout(CATCH_UP_WITHIN, api.orders.caught_up(&ORDERS, &id)?).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Problem::unavailable("the orders taken last are not in the table yet")),
    }
}

async fn check_count(api: &Arc<Api>, id: OrderId, count: u32) -> Result<(), Problem> {
    let api = Arc::clone(api);
    reading(move || refuse_other_count(api.orders.get(&id), count)).await
}

/// The answer to a GET, if there is such an order.
async fn body(api: &Arc<Api>, id: OrderId) -> Result<Option<Vec<u8>>, Problem> {
    let few = Arc::clone(api);
    match reading(move || few.short_answer(&id)).await? {
        Answer::Unknown => Ok(None),
        Answer::Body(body) => Ok(Some(body)),
        Answer::Long => {
            let api = Arc::clone(api);
            blocking(move || api.long_answer(&id)).await
        }
    }
}

enum Answer {
    Unknown,
    Body(Vec<u8>),
    /// Of so many pizzas that it is put together elsewhere.
    Long,
}

impl Api {
    fn short_answer(&self, id: &OrderId) -> Result<Answer, Problem> {
        Ok(match self.orders.get_with_items_if(id, |order| order.count <= FEW_PIZZAS)? {
            None => Answer::Unknown,
            Some((_, None)) => Answer::Long,
            Some((order, Some(pizzas))) => Answer::Body(body_of(*id, order.count, pizzas)),
        })
    }

    fn long_answer(&self, id: &OrderId) -> Result<Option<Vec<u8>>, Problem> {
        let found = self.orders.get_with_items(id)?;
        Ok(found.map(|found| body_of(*id, found.state.count, found.items)))
    }
}

fn body_of(id: OrderId, count: u32, mut pizzas: Vec<FinishedPizza>) -> Vec<u8> {
    pizzas.sort_by_key(|pizza| pizza.number);
    let status = if pizzas.len() == count as usize { "ready" } else { "baking" };
    let size = pizzas.iter().map(|pizza| pizza.json.len() + 1).sum::<usize>();
    let mut body = Vec::with_capacity(128 + size);
    write!(body, r#"{{"id":"{id}","count":{count},"status":"{status}","pizzas":["#).expect("a Vec takes all");
    for (index, pizza) in pizzas.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&pizza.json);
    }
    body.extend_from_slice(b"]}");
    body
}

/// Refuses an order that is known with another count. Where the table is not here, the first record wins all the same, and a
/// GET shows it.
fn refuse_other_count(known: log::Result<Option<KnownOrder>>, count: u32) -> Result<(), Problem> {
    match known {
        Ok(Some(known)) if known.count != count => {
            let detail = format!(
                "an order with this Idempotency-Key has another count: count={} requested={count}",
                known.count
            );
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        Ok(_) => Ok(()),
        // Not here, or not restored yet.
        Err(error) if error.kind() == ErrorKind::Unavailable => Ok(()),
        Err(error) => Err(Problem::unavailable(format!("nothing was stored: {}", error.chain()))),
    }
}

fn as_json(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn parse_count(text: &str, limit: u32) -> Result<u32, Problem> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let count = if is_number { text.parse().ok() } else { None };
    count.filter(|count| (1..=limit).contains(count)).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        Problem::new(StatusCode::BAD_REQUEST, format!("a count is a whole number from 1 to {limit}: count={shown}"))
    })
}

/// The id that a key stands for: always the same one, a UUID of version 8, whose bits are an application's own.
fn id_of_key(key: &[u8]) -> Result<OrderId, Problem> {
    if !(1..=IDEMPOTENCY_KEY_BYTES).contains(&key.len()) {
        let detail = format!("an Idempotency-Key has 1 to {IDEMPOTENCY_KEY_BYTES} characters: length={}", key.len());
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let digest = Sha256::digest(key);
    let (bytes, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    Ok(OrderId::from_bits(Uuid::new_v8(*bytes).as_u128()))
}

#[cfg(test)]
mod tests {
    use linecook::log::Error;

    use super::*;

    #[test]
    fn a_count_is_a_whole_number_in_its_range() {
        assert_eq!(parse_count("1", 10).unwrap(), 1);
        assert_eq!(parse_count("10", 10).unwrap(), 10);
        for bad in ["0", "-1", "+1", "1.5", "many", "", "11", &"9".repeat(40)] {
            assert_eq!(parse_count(bad, 10).unwrap_err().status(), StatusCode::BAD_REQUEST, "{bad:?}");
        }
    }

    /// While the table could not be read, nobody who sends a key could order, although the log takes orders and the first
    /// one wins in any case.
    #[test]
    fn an_order_with_a_key_is_refused_for_its_count_only_where_that_is_known() {
        let status = |known| refuse_other_count(known, 2).map_err(|problem| problem.status());
        assert_eq!(status(Ok(None)), Ok(()));
        assert_eq!(status(Ok(Some(KnownOrder::new(2)))), Ok(()));
        assert_eq!(status(Ok(Some(KnownOrder::new(3)))), Err(StatusCode::CONFLICT));
        assert_eq!(status(Err(Error::new(ErrorKind::Unavailable, "not restored yet"))), Ok(()));
        assert_eq!(status(Err(Error::new(ErrorKind::Corrupt, "damaged"))), Err(StatusCode::SERVICE_UNAVAILABLE));
    }

    /// Whoever repeats a request after an upgrade must get the same order.
    #[test]
    fn a_key_stands_for_the_same_id_for_ever() {
        let id = id_of_key(b"table-7").unwrap();
        assert_eq!(id.to_string(), "78757975338780304961188126602568195143");
        let uuid = Uuid::from_u128(id.bits());
        assert_eq!(uuid.get_version_num(), 8);
        assert!(id_of_key(b"").is_err());
        assert!(id_of_key(&[b'x'; 256]).is_err());
    }
}
