//! Does things with the counters of another component.

mod bindings {
    wit_bindgen::generate!({ world: "keeper", path: "wit", generate_all });
}

use bindings::exports::test::types::keeping::{Guest, Step};
use bindings::test::types::things::{self, Counter};

struct Keeper;

bindings::export!(Keeper with_types_in bindings);

impl Guest for Keeper {
    fn run(steps: Vec<Step>) -> Vec<(u32, u32)> {
        let mut kept = Kept::default();
        steps
            .into_iter()
            .map(|step| (kept.take(step), things::live()))
            .collect()
    }
}

#[derive(Default)]
struct Kept(Vec<Counter>);

impl Kept {
    /// One step; what it gives. A step that needs a counter, where there is none, gives 0.
    fn take(&mut self, step: Step) -> u32 {
        match step {
            Step::Make(start) => self.keep(Counter::new(start)),
            Step::Sum => Counter::sum(&self.0.iter().collect::<Vec<_>>()),
            _ if self.0.is_empty() => 0,
            Step::Add((which, amount)) => self.0[self.place(which)].add(amount),
            Step::Value(which) => self.0[self.place(which)].value(),
            Step::Joined((first, second)) => self.joined(first, second),
            Step::Pass(which) => {
                let counter = self.remove(which);
                things::pass(Some(counter)).map_or(0, |counter| self.keep(counter))
            }
            Step::Split(which) => {
                let counter = self.remove(which);
                match things::split(counter) {
                    Ok((first, second)) => self.keep(first) + self.keep(second),
                    Err(counter) => self.keep(counter),
                }
            }
            Step::Drop(which) => {
                drop(self.remove(which));
                u32::from(things::pass(None).is_some())
            }
        }
    }

    fn joined(&mut self, first: u32, second: u32) -> u32 {
        let first = self.remove(first);
        let Some(second) = (!self.0.is_empty()).then(|| self.place(second)) else {
            return self.keep(first);
        };
        let joined = Counter::joined(first, &self.0[second]);
        self.keep(joined)
    }

    fn place(&self, which: u32) -> usize {
        which as usize % self.0.len()
    }

    fn remove(&mut self, which: u32) -> Counter {
        self.0.remove(self.place(which))
    }

    fn keep(&mut self, counter: Counter) -> u32 {
        let value = counter.value();
        self.0.push(counter);
        value
    }
}
