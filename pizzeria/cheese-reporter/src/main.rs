//! The cheese-reporter as a process of its own.

fn main() -> std::process::ExitCode {
    linecook::main(cheese_reporter::SERVICE)
}
