//! Ctrl-c and SIGTERM, for the programs of this crate.

use std::{sync::mpsc, thread};

use tokio::signal::unix::{SignalKind, signal};

use crate::{Error, Result};

/// From now on ctrl-c and SIGTERM do not end the process: each is one message here.
///
/// # Errors
/// `Setup` when the system does not give it signals.
pub fn stop_signals() -> Result<mpsc::Receiver<()>> {
    let cannot = || Error::cannot("listen for signals");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(cannot())?;
    let _guard = runtime.enter();
    let mut interrupts = signal(SignalKind::interrupt()).map_err(cannot())?;
    let mut terminations = signal(SignalKind::terminate()).map_err(cannot())?;
    drop(_guard);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupts.recv() => {}
                    _ = terminations.recv() => {}
                }
                if sender.send(()).is_err() {
                    return;
                }
            }
        });
    });
    Ok(receiver)
}
