//! What the kitchen answers.

use std::{fmt::Write, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{Entry, Stove, Trick};

pub(super) fn router(stove: Arc<Stove>) -> Router {
    Router::new()
        .route("/readyz", get(|| async { "ready" }))
        .route("/order/{id}", get(look).merge(post(place)))
        .with_state(stove)
}

async fn place(State(stove): State<Arc<Stove>>, Path(count): Path<u32>, headers: HeaderMap) -> Response {
    if let Some(refusal) = refuse(&stove) {
        return refusal;
    }
    let id = enter(&stove, count, &headers);
    let body = format!(r#"{{"order_id":"{id}"}}"#);
    let location = if stove.trick == Trick::ForgetsTheLocation { "/".into() } else { format!("/order/{id}") };
    finish(&stove, (StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

async fn look(State(stove): State<Arc<Stove>>, Path(id): Path<u64>) -> Response {
    if let Some(refusal) = refuse(&stove) {
        return refusal;
    }
    let body = {
        let mut book = stove.book();
        let entry = book.orders.get_mut(&id).filter(|_| stove.trick != Trick::LosesTheOrder);
        entry.map(|entry| {
            entry.looks += 1;
            show(stove.trick, id, entry)
        })
    };
    match body {
        Some(body) => finish(&stove, body.into_response()),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn refuse(stove: &Stove) -> Option<Response> {
    match stove.trick {
        Trick::Refuses(times) => {
            let mut book = stove.book();
            book.refused += 1;
            (book.refused <= times)
                .then(|| (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "0")], "busy").into_response())
        }
        Trick::AnswersWithAnError => Some(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
        _ => None,
    }
}

fn enter(stove: &Stove, count: u32, headers: &HeaderMap) -> u64 {
    let mut book = stove.book();
    let new = book.orders.len() as u64 + 1;
    let key = headers.get("idempotency-key").filter(|_| stove.trick != Trick::ForgetsKeys);
    let id = key.map_or(new, |key| *book.by_key.entry(key.to_str().unwrap().to_owned()).or_insert(new));
    book.orders.entry(id).or_insert(Entry { count, looks: 0 });
    id
}

fn finish(stove: &Stove, mut response: Response) -> Response {
    if stove.trick == Trick::ClosesEveryConnection {
        response.headers_mut().insert(header::CONNECTION, "close".parse().unwrap());
    }
    response
}

fn show(trick: Trick, id: u64, entry: &Entry) -> String {
    let done = if entry.looks > 1 || trick == Trick::BakesAtOnce { entry.count } else { entry.count / 2 };
    let status = if done == entry.count && trick != Trick::NeverGetsReady { "ready" } else { "baking" };
    if trick == Trick::BurnsTheBody {
        return format!(r#"{{"id":"{id}","count":{},"status":"{status}","pizzas":[{{"#, entry.count);
    }
    let numbers = (1..=done).flat_map(|number| played(trick, number, entry.looks));
    let mut pizzas: Vec<String> = numbers.map(|number| pizza(trick, id, number, entry.looks)).collect();
    if trick == Trick::ReversesTheNumbers {
        pizzas.reverse();
    }
    format!(r#"{{"id":"{id}","count":{},"status":"{status}","pizzas":[{}]}}"#, entry.count, pizzas.join(","))
}

/// As which numbers a pizza is shown.
fn played(trick: Trick, number: u32, looks: u32) -> Vec<u32> {
    match trick {
        Trick::LosesAPizza if number == 2 => vec![],
        Trick::TakesAPizzaBack if number == 1 && looks > 1 => vec![],
        Trick::ShowsANumberTwice if number == 2 => vec![2, 2],
        _ => vec![number],
    }
}

fn pizza(trick: Trick, id: u64, number: u32, looks: u32) -> String {
    let sauce = match trick {
        Trick::ServesChocolate => "chocolate",
        // After it was ready.
        Trick::ChangesAPizzaLater if looks > 2 && number == 1 => "light",
        _ => "extra",
    };
    let cheese = if trick == Trick::LeavesTheCheeseOff { "" } else { "goat cheese" };
    let order_id = if trick == Trick::NamesAnotherOrder { id + 1 } else { id };
    let mut text = String::new();
    write!(text, r#"{{"order_id":"{order_id}","sauce":"{sauce}","cheese":"{cheese}","meats":"ham & bacon","#).unwrap();
    write!(text, r#""veggies":"none","number":{number}}}"#).unwrap();
    text
}
