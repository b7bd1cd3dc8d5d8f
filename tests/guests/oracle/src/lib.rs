//! A service that does what the lines of a request's body say, and answers a line for each: what WASI gave it.
//!
//! The same script is sent to it under `wasmtime serve` and under wisp, which must agree line by line. Errors are the
//! numbers of wasi-libc, which stand for the error codes of the interfaces.

mod answer;
mod files;
mod requests;

use std::time::{Duration, Instant, SystemTime};

use wasip2::http::types::{IncomingRequest, ResponseOutparam};
use wasip2::random::{insecure, random};

wasip2::http::proxy::export!(Guest);

struct Guest;

impl wasip2::exports::http::incoming_handler::Guest for Guest {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let script = answer::body(&request);
        let mut lines = String::new();
        for line in script.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let done = perform(&words).unwrap_or_else(|error| format!("error {error}"));
            lines.push_str(&format!("{line} -> {done}\n"));
        }
        answer::send(out, lines.as_bytes());
    }
}

fn perform(words: &[&str]) -> Result<String, String> {
    match words {
        ["environment"] => Ok(environment()),
        ["arguments"] => Ok(std::env::args().collect::<Vec<_>>().join("|")),
        ["monotonic", milliseconds] => monotonic(number(milliseconds)?),
        ["wall", seconds] => wall(number(seconds)?),
        ["random", length] => different(number(length)?),
        ["request", method, url, rest @ ..] => requests::send(method, url, rest),
        _ => files::perform(words).map_err(|error| files::code(&error)),
    }
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("{word} is no number"))
}

fn environment() -> String {
    let mut variables: Vec<_> = std::env::vars()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    variables.sort();
    variables.join(",")
}

/// Sleeps, and says whether the clock went on by as much, and not by much more.
fn monotonic(milliseconds: u64) -> Result<String, String> {
    let (pause, began) = (Duration::from_millis(milliseconds), Instant::now());
    std::thread::sleep(pause);
    let passed = began.elapsed();
    let sane = passed >= pause && passed < pause + Duration::from_secs(20);
    Ok(format!("slept {sane}"))
}

/// Whether the clock on the wall is near this moment in seconds since 1970.
fn wall(seconds: u64) -> Result<String, String> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = since.map_err(|error| error.to_string())?.as_secs();
    Ok(format!("near {}", now.abs_diff(seconds) < 120))
}

/// Whether random bytes are as many as were asked for, and never the same.
fn different(length: u64) -> Result<String, String> {
    let draws = [
        random::get_random_bytes(length),
        random::get_random_bytes(length),
        insecure::get_insecure_random_bytes(length),
        insecure::get_insecure_random_bytes(length),
    ];
    let whole = draws.iter().all(|draw| draw.len() as u64 == length);
    let apart = length < 16 || (draws[0] != draws[1] && draws[2] != draws[3]);
    Ok(format!("whole {whole} apart {apart}"))
}
