//! The veggie-service as a process of its own.

fn main() -> std::process::ExitCode {
    linecook::main(veggie_service::SERVICE)
}
