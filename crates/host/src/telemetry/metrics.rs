//! Counters, read by the supervisor through the control channel.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use wisp_wasi::Limit;

/// What happened to the requests of one component, or to those that belong to none.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    active: AtomicU64,
    /// Responses by the first digit of their status.
    classes: [AtomicU64; 5],
    vanished: AtomicU64,
    aborted: AtomicU64,
    overloads: AtomicU64,
    timeouts: AtomicU64,
    failures: AtomicU64,
    /// How often each limit was run into, in the order of [`Limit::ALL`].
    exceeded: [AtomicU64; Limit::ALL.len()],
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    duration_us: AtomicU64,
}

/// How an exchange ended, as counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    pub(crate) aborted: bool,
    pub(crate) duration: Duration,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

fn add(counter: &AtomicU64, value: u64) {
    counter.fetch_add(value, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn begin(&self) {
        add(&self.active, 1);
    }

    pub(crate) fn end(&self, outcome: Outcome) {
        self.active.fetch_sub(1, Ordering::Relaxed);
        add(&self.requests, 1);
        let class = usize::from(outcome.status / 100).wrapping_sub(1);
        if let Some(class) = self.classes.get(class) {
            add(class, 1);
        }
        if outcome.status == 499 {
            add(&self.vanished, 1);
        }
        if outcome.aborted {
            add(&self.aborted, 1);
        }
        add(&self.bytes_in, outcome.bytes_in);
        add(&self.bytes_out, outcome.bytes_out);
        add(
            &self.duration_us,
            u64::try_from(outcome.duration.as_micros()).unwrap_or(u64::MAX),
        );
    }

    pub(crate) fn overloaded(&self) {
        add(&self.overloads, 1);
    }

    pub(crate) fn timed_out(&self) {
        add(&self.timeouts, 1);
    }

    pub(crate) fn failed(&self) {
        add(&self.failures, 1);
    }

    /// A limit was run into, so many times.
    pub(crate) fn exceeded(&self, limit: Limit, times: u64) {
        let kept = Limit::ALL.iter().zip(&self.exceeded);
        for (_, counter) in kept.filter(|(known, _)| **known == limit) {
            add(counter, times);
        }
    }

    fn numbers(&self) -> impl Iterator<Item = (&'static str, &AtomicU64)> {
        let exceeded = Limit::ALL.iter().map(|limit| limit.counter());
        [
            ("requests", &self.requests),
            ("active", &self.active),
            ("vanished", &self.vanished),
            ("aborted", &self.aborted),
            ("overloads", &self.overloads),
            ("timeouts", &self.timeouts),
            ("failures", &self.failures),
            ("bytes_in", &self.bytes_in),
            ("bytes_out", &self.bytes_out),
            ("duration_us", &self.duration_us),
        ]
        .into_iter()
        .chain(exceeded.zip(&self.exceeded))
    }
}

/// A sum of counters, as JSON.
#[derive(Debug, Default)]
struct Sum {
    numbers: BTreeMap<&'static str, u64>,
    classes: [u64; 5],
}

impl Sum {
    fn add(&mut self, counters: &Counters) {
        for (name, value) in counters.numbers() {
            *self.numbers.entry(name).or_default() += value.load(Ordering::Relaxed);
        }
        for (sum, value) in self.classes.iter_mut().zip(&counters.classes) {
            *sum += value.load(Ordering::Relaxed);
        }
    }

    fn json(&self) -> serde_json::Map<String, Value> {
        let classes = self.classes.iter().enumerate();
        let responses: serde_json::Map<_, _> = classes
            .map(|(class, count)| (format!("{}xx", class + 1), json!(count)))
            .collect();
        let mut fields: serde_json::Map<_, _> = self
            .numbers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        fields.insert("responses".to_owned(), Value::Object(responses));
        fields
    }
}

#[derive(Debug, Default)]
struct Registry {
    components: Mutex<BTreeMap<(String, String), Arc<Counters>>>,
    unrouted: Arc<Counters>,
    connections: AtomicU64,
    /// Requests that components of this worker answer now.
    active: AtomicU64,
}

/// All counters of a host. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    registry: Arc<Registry>,
}

impl Metrics {
    /// The counters of one component, made when first asked for.
    pub(crate) fn component(&self, app: &str, component: &str) -> Arc<Counters> {
        let mut components = self
            .registry
            .components
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        components
            .entry((app.to_owned(), component.to_owned()))
            .or_default()
            .clone()
    }

    /// The counters of requests that reached no component.
    pub(crate) fn unrouted(&self) -> &Counters {
        &self.registry.unrouted
    }

    /// A component begins to answer a request.
    pub(crate) fn begin(&self) {
        add(&self.registry.active, 1);
    }

    /// A component has answered a request.
    pub(crate) fn end(&self) {
        self.registry.active.fetch_sub(1, Ordering::Relaxed);
    }

    /// Requests that components answer now.
    pub(crate) fn active(&self) -> u64 {
        self.registry.active.load(Ordering::Relaxed)
    }

    pub(crate) fn connection_opened(&self) {
        add(&self.registry.connections, 1);
    }

    pub(crate) fn connection_closed(&self) {
        self.registry.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Everything as JSON: sums over all components, then each component by itself.
    pub fn snapshot(&self) -> Value {
        let components = self
            .registry
            .components
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut total = Sum::default();
        total.add(&self.registry.unrouted);
        let mut each = Vec::new();
        for ((app, component), counters) in &*components {
            total.add(counters);
            let mut sum = Sum::default();
            sum.add(counters);
            let mut fields = sum.json();
            fields.insert("app".to_owned(), json!(app));
            fields.insert("component".to_owned(), json!(component));
            each.push(Value::Object(fields));
        }
        let mut fields = total.json();
        fields.insert(
            "connections".to_owned(),
            json!(self.registry.connections.load(Ordering::Relaxed)),
        );
        fields.insert("components".to_owned(), Value::Array(each));
        Value::Object(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, aborted: bool) -> Outcome {
        Outcome {
            status,
            aborted,
            duration: Duration::from_millis(2),
            bytes_in: 3,
            bytes_out: 5,
        }
    }

    #[test]
    fn a_snapshot_has_sums_and_each_component() {
        let metrics = Metrics::default();
        let hello = metrics.component("app", "hello");
        hello.begin();
        hello.begin();
        hello.begin();
        metrics.unrouted().begin();

        hello.end(outcome(200, false));
        hello.end(outcome(499, true));
        metrics.unrouted().end(outcome(404, false));

        let snapshot = metrics.snapshot();
        assert_eq!(snapshot["requests"], 3);
        assert_eq!(
            snapshot["responses"],
            json!({"1xx": 0, "2xx": 1, "3xx": 0, "4xx": 2, "5xx": 0})
        );
        assert_eq!(snapshot["bytes_out"], 15);
        assert_eq!(snapshot["components"][0]["component"], "hello");
        assert_eq!(snapshot["components"][0]["active"], 1);
        assert_eq!(snapshot["components"][0]["vanished"], 1);
        assert_eq!(snapshot["components"][0]["duration_us"], 4000);
    }
}
