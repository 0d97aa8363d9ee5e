//! Work that must not be done by the threads that answer requests.

use std::panic;

use super::Problem;

/// Does `work` on a thread that may wait: for what takes milliseconds, as reads of many rows do, or answers that take long to
/// put together. The few threads that answer requests go on with others meanwhile. What reads a row or two is done
/// sooner by [`reading`](super::reading).
///
/// ```
/// use linecook::{CountsReader, http::{Problem, blocking}};
///
/// async fn pizzas_made(counts: CountsReader<String>) -> Result<String, Problem> {
///     let totals = blocking(move || counts.totals()).await?;
///     Ok(totals.values().sum::<u64>().to_string())
/// }
/// ```
///
/// # Errors
/// What `work` returns, as a [`Problem`]; 503 when the process is ending.
///
/// # Panics
/// When `work` does.
pub async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Problem>
where
    T: Send + 'static,
    E: Into<Problem> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(error) => match error.try_into_panic() {
            Ok(payload) => panic::resume_unwind(payload),
            Err(_) => Err(Problem::unavailable("the process is ending")),
        },
    }
}
