//! A program that asks two other components: it prints what one gives back for each of its arguments, and what the other
//! makes of 40 and 2. It fails when it has no arguments.

mod bindings {
    wit_bindgen::generate!({ world: "command", path: "wit", generate_all });
}

use std::process::ExitCode;

use bindings::test::types::{echo, keeping};
use keeping::Step;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for argument in &arguments {
        println!("{}", echo::text(argument));
    }
    let given = keeping::run(&[Step::Make(40), Step::Add((0, 2)), Step::Value(0)]);
    println!("{:?}", given.last());
    if arguments.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
