//! Time of the processor, not of the clock: what else runs on the machine is not counted, and all that is measured happens on one
//! thread. What the kernel does for that thread (page faults, clearing memory) is part of it.

use std::time::Duration;

use criterion::Criterion;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use rustix::time::{ClockId, clock_gettime};

/// The time that the thread which measures has had of a processor.
pub(crate) struct Processor(WallTime);

/// What each bench is measured with.
pub(crate) fn criterion() -> Criterion<Processor> {
    Criterion::default().with_measurement(Processor(WallTime))
}

fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

impl Measurement for Processor {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        used()
    }

    fn end(&self, began: Duration) -> Duration {
        used().saturating_sub(began)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        // Nanoseconds, which is what the formatter expects.
        value.as_secs_f64() * 1e9
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self.0.formatter()
    }
}
