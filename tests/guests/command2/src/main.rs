//! A command component of WASI 0.2: what `wisp run` promises, one verb each.

use std::io::{Read, Write};
use std::process::ExitCode;

/// Does what the first argument says.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match words.as_slice() {
        ["arguments", rest @ ..] => println!("{}", rest.join("|")),
        ["name"] => println!("{}", arguments.first().map_or("", String::as_str)),
        ["environment"] => std::env::vars().for_each(|(name, value)| println!("{name}={value}")),
        ["read", path] => return read(path),
        ["write", path, content] => return report(std::fs::write(path, content)),
        ["echo"] => return report(echo()),
        ["error", line] => eprintln!("{line}"),
        ["exit", code] => return ExitCode::from(code.parse::<u8>().unwrap_or(99)),
        ["trap"] => panic!("trapped as asked"),
        _ => {
            eprintln!("unknown verb: {words:?}");
            return ExitCode::from(64);
        }
    }
    ExitCode::SUCCESS
}

fn read(path: &str) -> ExitCode {
    match std::fs::read_to_string(path) {
        Ok(content) => {
            print!("{content}");
            ExitCode::SUCCESS
        }
        Err(error) => report(Err(error)),
    }
}

fn echo() -> std::io::Result<()> {
    let mut content = Vec::new();
    std::io::stdin().read_to_end(&mut content)?;
    std::io::stdout().write_all(&content)
}

fn report(result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("refused: {error}");
            ExitCode::FAILURE
        }
    }
}
