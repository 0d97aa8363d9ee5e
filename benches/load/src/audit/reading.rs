//! Asking the server on the auditor's behalf.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::{Auditor, Fault, Findings, Menu, Sight, progress::Progress};
use crate::{Client, Look, Order, Patience, Result, Setbacks, Target};

/// Between two looks at an order that is not ready.
const PAUSE: Duration = Duration::from_millis(20);

/// How acknowledged orders are audited.
#[derive(Debug, Clone)]
pub struct Examination {
    /// Who has acknowledged them.
    pub target: Target,
    /// How many look at the same time.
    pub client_count: u32,
    /// Of each request; its limit is also how long the server may go without any order becoming ready.
    pub patience: Patience,
    /// What may be on a pizza.
    pub menu: Menu,
    /// Whether the keys are sent again.
    pub keys: Keys,
}

/// What is done with the keys of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Nothing.
    Leave,
    /// Each order is placed again with its key: the answer has to be the same order, and nothing may change by it.
    SendAgain,
}

/// What came of an [`Examination`].
#[derive(Debug)]
pub struct Verdict {
    /// The promises that were not kept.
    pub findings: Findings,
    /// What the clients met with.
    pub setbacks: Setbacks,
}

/// Audits orders that were acknowledged earlier: waits until each is ready, then reads each once more.
///
/// # Errors
/// Those of [`Client::look`] and [`Client::place`]: the server could not be asked, so nothing is known.
pub async fn examine(orders: Vec<Order>, examination: Examination) -> Result<Verdict> {
    let mut auditor = Auditor::new(examination.menu);
    for order in &orders {
        auditor.expect(order);
    }
    let auditor = Arc::new(Mutex::new(auditor));
    let orders: Arc<[Order]> = orders.into();
    let mut setbacks = read_all(&auditor, &orders, &examination).await?;
    setbacks += read_all(&auditor, &orders, &Examination { keys: Keys::Leave, ..examination }).await?;
    Ok(Verdict { findings: close(auditor), setbacks })
}

/// Reads each order that the auditor still holds to account, until it is ready or given up.
pub(crate) async fn read_all(
    auditor: &Arc<Mutex<Auditor>>,
    orders: &Arc<[Order]>,
    examination: &Examination,
) -> Result<Setbacks> {
    let (next, progress) = (Arc::new(Mutex::new(0)), Arc::new(Progress::new(examination.patience.limit)));
    let mut readers = JoinSet::new();
    for _ in 0..examination.client_count {
        readers.spawn(
            Reader {
                client: Client::new(examination.target.clone(), examination.patience),
                auditor: auditor.clone(),
                progress: progress.clone(),
                keys: examination.keys,
            }
            .read(orders.clone(), next.clone()),
        );
    }
    let mut setbacks = Setbacks::default();
    while let Some(ended) = readers.join_next().await {
        setbacks += ended.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?;
    }
    Ok(setbacks)
}

/// What the auditor has found, when nobody shows it anything any more.
pub(crate) fn close(auditor: Arc<Mutex<Auditor>>) -> Findings {
    match Arc::try_unwrap(auditor) {
        Ok(auditor) => auditor.into_inner().finish(),
        Err(shared) => std::mem::replace(&mut *shared.lock(), Auditor::new(Menu::Any)).finish(),
    }
}

/// One of those who look at the same time.
struct Reader {
    client: Client,
    auditor: Arc<Mutex<Auditor>>,
    progress: Arc<Progress>,
    keys: Keys,
}

impl Reader {
    async fn read(mut self, orders: Arc<[Order]>, next: Arc<Mutex<usize>>) -> Result<Setbacks> {
        while let Some(order) = take_next(&orders, &next) {
            if self.auditor.lock().is_expecting(&order.id) {
                self.send_key_again(order).await?;
                self.watch(order).await?;
            }
        }
        Ok(self.client.setbacks())
    }

    async fn send_key_again(&mut self, order: &Order) -> Result<()> {
        let (Keys::SendAgain, Some(key)) = (self.keys, &order.key) else { return Ok(()) };
        let again = self.client.place(order.count, Some(key)).await?;
        if again.order.id != order.id {
            self.auditor.lock().report(&order.id, Fault::SecondOrder { id: again.order.id });
        }
        Ok(())
    }

    async fn watch(&mut self, order: &Order) -> Result<()> {
        while self.look(order).await? == Sight::Baking {
            if self.progress.has_ended() {
                self.auditor.lock().dismiss(&order.id, Fault::NeverReady);
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.progress.made();
        Ok(())
    }

    async fn look(&mut self, order: &Order) -> Result<Sight> {
        match self.client.look(&order.id).await? {
            Look::Found(body) => Ok(self.auditor.lock().saw(&order.id, &body)),
            Look::Missing => {
                self.auditor.lock().dismiss(&order.id, Fault::Lost);
                Ok(Sight::Unreadable)
            }
        }
    }
}

fn take_next<'a>(orders: &'a [Order], next: &Mutex<usize>) -> Option<&'a Order> {
    let mut next = next.lock();
    let order = orders.get(*next)?;
    *next += 1;
    Some(order)
}
