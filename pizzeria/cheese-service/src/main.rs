//! The cheese-service as a process of its own.

fn main() -> std::process::ExitCode {
    linecook::main(cheese_service::SERVICE)
}
