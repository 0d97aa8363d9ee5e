//! The sauce-service as a process of its own.

fn main() -> std::process::ExitCode {
    linecook::main(sauce_service::SERVICE)
}
