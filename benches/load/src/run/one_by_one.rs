//! One client, one order at a time, looked at back to back.

use std::sync::Arc;

use super::{
    shared::Shared,
    watching::{Seen, look},
};
use crate::{Result, Setbacks};

/// Places an order, looks at it until it is ready, and goes on with the next.
pub(super) async fn serve(shared: Arc<Shared>) -> Result<Setbacks> {
    let mut client = shared.client();
    while let Some(turn) = shared.turns.next().await {
        let waiting = shared.place(&mut client, turn).await?;
        while let Seen::Baking = look(&shared, &mut client, &waiting).await? {}
    }
    Ok(client.setbacks())
}
