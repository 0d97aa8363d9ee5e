//! The pizzeria as a program.

fn main() -> std::process::ExitCode {
    linecook::main(pizzeria::program())
}
