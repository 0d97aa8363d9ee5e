//! Asking acknowledged orders whether they are ready, at little cost for the server: one at a time is asked again and again,
//! the oldest; when it is ready, those behind it are asked.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{line::Waiting, shared::Shared};
use crate::{
    Client, Fault, Look, Result, Setbacks,
    audit::{Status, glance},
    clock::now,
};

/// An order that was just acknowledged is not ready yet; asking it at once would only be in its way.
const FIRST_LOOK_AFTER: Duration = Duration::from_millis(2);

/// How long one order is asked while the others wait: one that is never ready must not keep them.
const TURN: Duration = Duration::from_millis(50);

/// What a look at an order tells while time is measured.
pub(super) enum Seen {
    Baking,
    /// Nothing is to be asked any more.
    Settled,
}

/// As many as there are clients, so that watching gets as much of this program as placing does and does not fall behind,
/// but few enough that only the oldest orders are asked: the others will hardly be ready before them.
pub(super) fn watcher_count(client_count: u32) -> u32 {
    client_count.min(32)
}

/// Watches orders until no more will come.
pub(super) async fn watch_orders(shared: Arc<Shared>) -> Result<Setbacks> {
    let mut client = shared.client();
    while let Some(waiting) = shared.line.next().await {
        let first_look = waiting.acknowledged + FIRST_LOOK_AFTER;
        if now() < first_look {
            tokio::time::sleep_until(first_look.into()).await;
        }
        watch(&shared, &mut client, &waiting).await?;
    }
    Ok(client.setbacks())
}

async fn watch(shared: &Shared, client: &mut Client, waiting: &Waiting) -> Result<()> {
    // While an older order is asked again and again, this one is hardly ready.
    drop(shared.baking.lock().await);
    let asked = now();
    let Seen::Baking = look(shared, client, waiting).await? else { return Ok(()) };
    let mut again = now() + pause(asked, asked);
    loop {
        let _only_one = shared.baking.lock().await;
        let first_asked = now();
        while first_asked.elapsed() < TURN {
            tokio::time::sleep_until(again.into()).await;
            let asked = now();
            let Seen::Baking = look(shared, client, waiting).await? else { return Ok(()) };
            again = now() + pause(first_asked, asked);
        }
    }
}

/// Looks once and writes down what is there.
pub(super) async fn look(shared: &Shared, client: &mut Client, waiting: &Waiting) -> Result<Seen> {
    let look = client.look(&waiting.order.id).await?;
    let at = now();
    let mut ledger = shared.ledger.lock();
    let fault = match look {
        Look::Missing => Fault::Lost,
        Look::Found(body) => match glance(&body) {
            Some(Status::Ready) => {
                ledger.ready(waiting, at, &body);
                shared.progress.made();
                return Ok(Seen::Settled);
            }
            Some(Status::Baking) if !shared.progress.has_ended() => {
                ledger.baking(waiting, &body);
                return Ok(Seen::Baking);
            }
            Some(Status::Baking) => Fault::NeverReady,
            None => Fault::Unreadable { error: "it has no status".to_owned() },
        },
    };
    ledger.dismissed(waiting, fault);
    Ok(Seen::Settled)
}

/// Half of the time for which the order was already asked, so that a slow one is not asked over and over; four times
/// what the answer took, so that asking is never what keeps the server busy. It does not grow with the time that the
/// order has stood in the line: then the watchers would only get further behind.
fn pause(first_asked: Instant, asked: Instant) -> Duration {
    let now = now();
    let pause = ((now - first_asked) / 2).max((now - asked) * 4);
    pause.clamp(Duration::from_millis(1), Duration::from_millis(50))
}
