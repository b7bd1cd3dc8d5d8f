//! What clients saw: how long answers took, and how many were none.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::Failure;

/// Percentiles of which the latency is told.
const PERCENTILES: [f64; 15] = [
    0.0, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 100.0,
];

/// What one client saw, or all of them.
pub struct Seen {
    latencies: Histogram<u64>,
    failures: u64,
    /// With those of the warm-up, whose latencies do not count.
    asked: u64,
}

impl Seen {
    /// Nothing yet.
    ///
    /// # Errors
    /// Never: three digits are possible.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self {
            latencies: Histogram::new(3)?,
            failures: 0,
            asked: 0,
        })
    }

    /// Counts one answer of the warm-up. One that is not good is a failure here too.
    pub fn warm(&mut self, is_good: bool) {
        self.asked += 1;
        self.failures += u64::from(!is_good);
    }

    /// Counts one answer.
    ///
    /// # Errors
    /// Never: the histogram grows.
    pub fn record(&mut self, latency: Duration, is_good: bool) -> Result<(), Failure> {
        let microseconds = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latencies.record(microseconds.max(1))?;
        self.warm(is_good);
        Ok(())
    }

    /// Adds what another client saw.
    ///
    /// # Errors
    /// Never: the histogram grows.
    pub fn add(&mut self, other: &Self) -> Result<(), Failure> {
        self.latencies.add(&other.latencies)?;
        self.failures += other.failures;
        self.asked += other.asked;
        Ok(())
    }

    /// Everything as one JSON object; times in milliseconds.
    #[must_use]
    pub fn report(&self, seconds: f64) -> serde_json::Value {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds of minutes at most"
        )]
        let at = |percentile: f64| self.latencies.value_at_percentile(percentile) as f64 / 1e3;
        serde_json::json!({
            "requests": self.latencies.len(), "asked": self.asked, "failures": self.failures, "seconds": seconds,
            "p50_ms": at(50.0), "p99_ms": at(99.0), "p999_ms": at(99.9), "most_ms": at(100.0),
            "percentiles": PERCENTILES, "latencies_ms": PERCENTILES.map(at),
        })
    }
}
