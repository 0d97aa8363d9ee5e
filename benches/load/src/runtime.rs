//! The one thread on which the program waits.

/// Everything that is waited for happens on this one thread: a second one would take its time from the server.
pub(crate) fn block_on<F: Future>(future: F) -> std::io::Result<F::Output> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future))
}
