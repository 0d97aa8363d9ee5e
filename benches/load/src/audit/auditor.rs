//! The auditor's book: which orders were acknowledged, and what was seen of each.

use std::collections::HashMap;

use super::{Fault, Findings, Menu, body::Status, witness::Witness};
use crate::{Acknowledgement, Order, OrderId};

/// Holds what the server shows against what it has promised.
///
/// ```
/// use load::{Auditor, Menu, Order, OrderId, PizzaCount};
///
/// let mut auditor = Auditor::new(Menu::Any);
/// let order = Order { id: OrderId::new("7"), count: PizzaCount(2), key: None };
/// auditor.expect(&order);
/// auditor.saw(&order.id, br#"{"id":"7","count":2,"status":"ready","pizzas":[]}"#);
/// assert_eq!(
///     auditor.finish().to_string(),
///     "order 7: is said to be ready but pizzas are missing: missing=2 first=1\n"
/// );
/// ```
pub struct Auditor {
    menu: Menu,
    witnesses: HashMap<OrderId, Witness>,
    findings: Findings,
}

/// What a body showed of its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Look again.
    Baking,
    /// All that was promised is said to be there.
    Ready,
    /// Nothing that could be read, which is a finding already.
    Unreadable,
}

impl Auditor {
    /// An auditor who knows of no order yet.
    pub fn new(menu: Menu) -> Self {
        Self { menu, witnesses: HashMap::new(), findings: Findings::default() }
    }

    /// An order was acknowledged: its `Location` has to be its path, and all of it has to appear.
    pub fn acknowledged(&mut self, acknowledgement: &Acknowledgement) {
        let Acknowledgement { order, location } = acknowledgement;
        let expected = format!("/order/{}", order.id);
        if location.as_deref() != Some(&*expected) {
            let found = location.as_deref().unwrap_or("nothing").to_owned();
            self.report(&order.id, Fault::Wrong { field: "location", found, expected });
        }
        self.expect(order);
    }

    /// An order was acknowledged some time ago. One that is known already stays as it is.
    pub fn expect(&mut self, order: &Order) {
        self.witnesses.entry(order.id.clone()).or_insert_with(|| Witness::new(order.count));
    }

    /// Whether this order is held to account: acknowledged, and not given up.
    pub fn is_expecting(&self, id: &OrderId) -> bool {
        self.witnesses.contains_key(id)
    }

    /// A body was seen. It is read in full and held against all bodies of this order before it. That of an order which
    /// nobody expects is ignored.
    pub fn saw(&mut self, id: &OrderId, body: &[u8]) -> Sight {
        let Some(witness) = self.witnesses.get_mut(id) else { return Sight::Unreadable };
        let (status, faults) = witness.read(id, body, self.menu);
        for fault in faults {
            self.findings.add(id.clone(), fault);
        }
        match status {
            Some(Status::Ready) => Sight::Ready,
            Some(Status::Baking) => Sight::Baking,
            None => Sight::Unreadable,
        }
    }

    /// A body that says it is ready was seen when there was no time to read it. Only its checksum is kept, for a later
    /// one that is read in full.
    pub fn glimpsed_ready(&mut self, id: &OrderId, body: &[u8]) {
        if let Some(witness) = self.witnesses.get_mut(id) {
            witness.glimpse_ready(body);
        }
    }

    /// Adds a finding that others have made.
    pub fn report(&mut self, id: &OrderId, fault: Fault) {
        self.findings.add(id.clone(), fault);
    }

    /// Adds a finding after which there is no point in looking at the order again.
    pub fn dismiss(&mut self, id: &OrderId, fault: Fault) {
        self.witnesses.remove(id);
        self.report(id, fault);
    }

    /// What was found. An order that was never seen ready is a finding here.
    pub fn finish(mut self) -> Findings {
        let waiting = self.witnesses.iter().filter(|(_, witness)| !witness.is_ready());
        let mut waiting: Vec<OrderId> = waiting.map(|(id, _)| id.clone()).collect();
        waiting.sort();
        for id in &waiting {
            self.report(id, Fault::NeverReady);
        }
        self.findings
    }
}
