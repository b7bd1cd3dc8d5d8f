//! A component that runs by the clock, and nothing else. What a run does, the variable `JOB` says.

mod bindings {
    wit_bindgen::generate!({ world: "job", path: "wit", generate_all });
}

use std::time::Duration;

use bindings::exports::wisp::cron::handler::{Guest, Tick};

struct Job;

bindings::export!(Job with_types_in bindings);

impl Guest for Job {
    fn run(event: Tick) -> Result<(), String> {
        println!(
            "begins {} {} {} {}",
            event.schedule, event.timezone, event.planned, event.id
        );
        let wanted = std::env::var("JOB").unwrap_or_default();
        let (verb, rest) = wanted.split_once(' ').unwrap_or((&wanted, ""));
        match verb {
            "fail" => return Err(rest.to_owned()),
            "trap" => panic!("trapped on request"),
            "spin" => loop {
                std::hint::black_box(());
            },
            "sleep" => {
                std::thread::sleep(Duration::from_millis(rest.parse().expect("milliseconds")))
            }
            _ => {}
        }
        println!("ends");
        Ok(())
    }
}
