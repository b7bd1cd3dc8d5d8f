//! A command component of WASI 0.2: what `wisp run` promises, one verb each.

fn main() -> std::process::ExitCode {
    commands::main()
}

#[path = "../../commands.rs"]
mod commands;
