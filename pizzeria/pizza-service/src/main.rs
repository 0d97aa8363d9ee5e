//! The pizza-service as a process of its own.

fn main() -> std::process::ExitCode {
    linecook::main(pizza_service::SERVICE)
}
