//! A preview-1 program: what `wisp run` promises, one verb each.

fn main() -> std::process::ExitCode {
    commands::main()
}

#[path = "../../commands.rs"]
mod commands;
