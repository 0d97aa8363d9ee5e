//! The variable part of a path.

use axum::{
    extract::{FromRequestParts, Path},
    http::{StatusCode, request::Parts},
};

use super::Problem;

/// The one variable part of a route, as text. What is no text is a [`Problem`] like everything else that is refused;
/// axum's own extractor would answer in plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathText(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            // What the extractor says names a part of our route, which is nothing to a client.
            Err(error) if error.status() == StatusCode::BAD_REQUEST => {
                Err(Problem::new(error.status(), "a part of the path is no text in UTF-8"))
            }
            Err(error) => Err(Problem::new(error.status(), error.body_text())),
        }
    }
}
