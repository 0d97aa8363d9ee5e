//! What goes wrong, in the form of RFC 9457.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use linecook_log::{Error, ErrorKind};
use serde_json::json;

/// What a client has sent, as far as it is shown in an answer.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// An error answer, `application/problem+json`: a title for all of its kind, a detail for this one.
///
/// ```
/// use axum::http::StatusCode;
/// use linecook::http::Problem;
///
/// let problem = Problem::new(StatusCode::BAD_REQUEST, "a count is a whole number from 1 to 10000: count=0");
/// assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
/// ```
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem of that status; `detail` tells the client what to do about it.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), retry_after_s: None }
    }

    /// 503: it does not go now and may later. The answer has a `Retry-After` of a second.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { retry_after_s: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// What to answer when a write failed: its detail says whether nothing was stored or the outcome is not known.
    pub fn of_write(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Invalid => Self::new(StatusCode::BAD_REQUEST, error.chain()),
            ErrorKind::Unknown => Self::unavailable(format!("whether it was stored is not known: {}", error.chain())),
            _ => Self::unavailable(format!("nothing was stored: {}", error.chain())),
        }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<Error> for Problem {
    /// What to answer when a read failed.
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Invalid => Self::new(StatusCode::BAD_REQUEST, error.chain()),
            ErrorKind::Corrupt => {
                tracing::error!(error = error.chain(), "damaged data was met while answering a request");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the data of this answer is damaged; the log has more")
            }
            _ => Self::unavailable(error.chain()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
