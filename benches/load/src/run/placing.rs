//! Placing orders under load.

use std::sync::Arc;

use super::{line::Place, shared::Shared};
use crate::{Result, Setbacks};

/// Places orders until there are no more turns.
pub(super) async fn place_orders(shared: Arc<Shared>, place: Place) -> Result<Setbacks> {
    let mut client = shared.client();
    while let Some(turn) = shared.turns.next().await {
        place.push(shared.place(&mut client, turn).await?);
    }
    Ok(client.setbacks())
}
