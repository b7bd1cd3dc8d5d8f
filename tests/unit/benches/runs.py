"""A run as the benchmark would have measured it."""

from harness.load import Sample
from harness.series import Series
from harness.servers import Subject


def sample(requests_per_second: float, processor_us: float = 10.0, p99_ms: float = 2.0) -> Sample:
    return Sample(
        requests_per_second=requests_per_second,
        requests=int(requests_per_second),
        p50_ms=p99_ms / 2,
        p99_ms=p99_ms,
        p999_ms=p99_ms * 2,
        most_ms=p99_ms * 3,
        percentiles=[0.0, 50.0, 99.0, 100.0],
        latencies_ms=[p99_ms / 4, p99_ms / 2, p99_ms, p99_ms * 3],
        load_generator=0.2,
        server=0.7,
        processor_us=processor_us,
        memory_mib=40.0,
    )


def series(name: str, *samples: Sample, void: str | None = None) -> Series:
    return Series(Subject(name, (name, "--serve")), list(samples), [0.5] * len(samples), void)
