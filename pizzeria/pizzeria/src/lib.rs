//! The pizzeria: all its services in one process.

use linecook::Program;

/// The whole pizzeria.
pub fn program() -> Program {
    Program {
        name: "pizzeria",
        about: "A random pizza generator: six services that talk through topics, in one process",
        services: vec![
            pizza_service::SERVICE,
            sauce_service::SERVICE,
            cheese_service::SERVICE,
            meat_service::SERVICE,
            veggie_service::SERVICE,
            cheese_reporter::SERVICE,
        ],
    }
}
