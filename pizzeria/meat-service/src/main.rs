//! The meat-service as a process of its own.

fn main() -> std::process::ExitCode {
    linecook::main(meat_service::SERVICE)
}
