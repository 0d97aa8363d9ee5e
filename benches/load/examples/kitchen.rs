//! The pizzeria of the tests as a program of its own: for the test of `load compare`, and to see how much load the
//! client can make when the server does nothing. It takes the product's `--http-address` and ignores all else.
#![expect(clippy::unwrap_used, reason = "it is a part of the tests")]

#[expect(dead_code, reason = "the tests do more with it")]
#[path = "../tests/load/kitchen/mod.rs"]
mod kitchen;

use tokio::signal::unix::{SignalKind, signal};

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--http-address").skip(1);
    let address = arguments.next().unwrap().parse().unwrap();
    let _kitchen = kitchen::Kitchen::open_at(address, kitchen::Trick::BakesAtOnce);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { signal(SignalKind::terminate()).unwrap().recv().await });
}
