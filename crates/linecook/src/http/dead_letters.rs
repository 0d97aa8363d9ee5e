//! What operators do with dead letters.
//!
//! | | |
//! |---|---|
//! | `GET /dead-letters` | the parked keys; with `?waiting` also those that are tried again by themselves |
//! | `GET /dead-letters/ID` | a record that waits, with its value and what waits with it |
//! | `PUT /dead-letters/ID` | gives it another value, which is the body; with `?null` none |
//! | `DELETE /dead-letters/ID` | leaves it out; with `?dry_run` says what that would be |
//! | `POST /dead-letters/redrive` | lets keys go on; the body says which: `{"all": true}`, or `ids`, `key`, `reason`, `since`, and `max`, `dry_run` |

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::Request,
    http::{HeaderValue, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use linecook_log::{Clock, ErrorKind, Log};
use serde_json::json;

use super::{Operators, PathText, Problem, blocking};
use crate::{
    Service,
    dead_letters::{Denied, Desk, RecordId, Selection},
};

/// What operators do with the dead letters of these services, by HTTP, as every [`Program`](crate::Program) serves it: for who
/// serves it in another way. Whoever gets there is taken for an operator.
pub fn operator_routes(log: Arc<dyn Log>, clock: Arc<dyn Clock>, services: Vec<Arc<Service>>) -> Router {
    dead_letters(&Arc::new(Desk::new(log, clock, services)), Operators::anybody())
}

/// The routes.
pub(crate) fn dead_letters(desk: &Arc<Desk>, operators: Operators) -> Router {
    let (listing, showing, editing) = (Arc::clone(desk), Arc::clone(desk), Arc::clone(desk));
    let (discarding, redriving) = (Arc::clone(desk), Arc::clone(desk));
    let list = async move |uri: Uri| {
        let with_retrying = asks(&uri, "waiting")?;
        let letters = blocking(move || listing.list(with_retrying)).await?;
        Ok::<_, Problem>(Json(json!({ "letters": letters })))
    };
    let show = async move |id: PathText| {
        let id = id_of(&id)?;
        blocking(move || showing.show(&id)).await.map(Json)
    };
    let edit = async move |id: PathText, uri: Uri, value: Bytes| {
        let id = id_of(&id)?;
        let value = (!asks(&uri, "null")?).then_some(value);
        blocking(move || editing.edit(&id, value.as_deref())).await.map(Json)
    };
    let discard = async move |id: PathText, uri: Uri| {
        let (id, dry_run) = (id_of(&id)?, asks(&uri, "dry_run")?);
        blocking(move || discarding.discard(&id, dry_run)).await.map(Json)
    };
    let redrive = async move |body: Bytes| {
        let selection: Selection = serde_json::from_slice(&body)
            .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body does not say which: {error}")))?;
        let letters = blocking(move || redriving.redrive(&selection)).await?;
        Ok::<_, Problem>(Json(json!({ "letters": letters })))
    };
    Router::new()
        .route("/dead-letters", get(list))
        .route("/dead-letters/redrive", post(redrive))
        .route("/dead-letters/{*id}", get(show).put(edit).delete(discard))
        .route_layer(middleware::from_fn(move |request: Request, next: Next| check(operators.clone(), request, next)))
}

async fn check(operators: Operators, request: Request, next: Next) -> Response {
    let Err(problem) = operators.check(request.headers()) else { return next.run(request).await };
    let needs_token = problem.status() == StatusCode::UNAUTHORIZED;
    let mut response = problem.into_response();
    if needs_token {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Whether the query has that word. It has no other: what is misspelt is not to do the contrary of what was meant.
fn asks(uri: &Uri, word: &str) -> Result<bool, Problem> {
    match uri.query().map(|query| query.strip_prefix(word).unwrap_or("?")) {
        None | Some("=false") => Ok(false),
        Some("" | "=true") => Ok(true),
        Some(_) => Err(Problem::new(StatusCode::BAD_REQUEST, format!("all that may be asked for here is ?{word}"))),
    }
}

fn id_of(PathText(text): &PathText) -> Result<RecordId, Problem> {
    text.parse().map_err(|why: String| Problem::new(StatusCode::NOT_FOUND, why))
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let text = denied.to_string();
        match denied {
            Denied::NoSuchRecord(_) => Self::new(StatusCode::NOT_FOUND, text),
            Denied::Behind { .. } => Self::new(StatusCode::CONFLICT, text),
            Denied::NothingSelected => Self::new(StatusCode::BAD_REQUEST, text),
            Denied::Log(error) if error.kind() == ErrorKind::Unknown => Self::of_write(&error),
            Denied::Log(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A misspelt `dry_run` discarded, and `null=false` took a value away.
    #[test]
    fn a_query_has_the_word_or_is_refused() {
        let asked = |query: &str| asks(&format!("/dead-letters{query}").parse().unwrap(), "dry_run").ok();
        assert_eq!(["", "?dry_run=false"].map(asked), [Some(false); 2]);
        assert_eq!(["?dry_run", "?dry_run=true"].map(asked), [Some(true); 2]);
        assert_eq!(["?dry-run", "?dry_run=1", "?dry_run&x", "?"].map(asked), [None; 4]);
    }
}
