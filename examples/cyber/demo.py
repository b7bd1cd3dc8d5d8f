"""The cyber system, whose processor is swapped for one in another language while clients go on asking.

    python -m examples.cyber.demo

Serves a copy of this folder with the real `wisp up --watch`, changes the one line of its manifest that says what the processor
is made of, and waits until `wisp up` says that it has reloaded. Every answer is compared with cases.json, those meanwhile too.
Exits with 1 when a request failed or an answer was another one.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from examples.service import WISP, Case, Event, Service, send

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator, Sequence

FOLDER = Path(__file__).parent
PATH = "/process"
ORDER = ("processor-rust", "processor-python", "processor-go", "processor-c", "processor-js")
"""The processors, as far as they are there. Any others follow, by name."""

CLIENTS = 2
SHOWN = ("the packet of the article", "letters of other scripts", "no payload")
SOURCE = re.compile(r'(?m)^source = "(processor-[a-z]+)"$')


def processors() -> list[str]:
    """Return the folders with a processor, in the order of the round."""
    found = {manifest.name for manifest in FOLDER.glob("processor-*") if manifest.is_dir()}
    return [name for name in ORDER if name in found] + sorted(found - set(ORDER))


def read_cases() -> list[Case]:
    """Read the table."""
    entries = json.loads((FOLDER / "cases.json").read_bytes())
    return [
        Case(entry["name"], json.dumps(entry["body"]).encode(), entry["status"], entry["answer"])
        for entry in entries
    ]


@contextlib.contextmanager
def copied() -> Iterator[Path]:
    """Give a copy of this folder, without what builds leave behind: its manifest is changed, ours is not."""
    left_out = shutil.ignore_patterns(".wisp", "target", "node_modules", "__pycache__")
    with tempfile.TemporaryDirectory(prefix="wisp-") as folder:
        yield Path(shutil.copytree(FOLDER, Path(folder) / "cyber", ignore=left_out))


def choose(folder: Path, processor: str) -> str:
    """Change the one line of the manifest, and return what it said before."""
    manifest = folder / "wisp.toml"
    text = manifest.read_text(encoding="utf-8")
    found = SOURCE.search(text)
    if found is None:
        message = f'{manifest} has no line `source = "processor-..."`'
        raise RuntimeError(message)
    # As editors do: the watcher never sees half a file.
    beside = manifest.with_suffix(".new")
    beside.write_text(SOURCE.sub(f'source = "{processor}"', text, count=1), encoding="utf-8")
    beside.replace(manifest)
    return found[1]


class Clients:
    """They ask all the time, each on one connection that it keeps for as long as the host does, and check each answer."""

    def __init__(self, service: Service, cases: Sequence[Case], count: int = CLIENTS) -> None:
        self._service = service
        self._cases = cases
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._seconds: list[float] = []
        self._failed: list[str] = []
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        if kind is None and (failed := self.failures()):
            raise RuntimeError("; ".join(failed))

    def answers(self) -> list[float]:
        """Return how long each answer took, of those since the last time."""
        with self._lock:
            taken, self._seconds = self._seconds, []
        return taken

    def failures(self) -> list[str]:
        """Return what failed since the last time."""
        with self._lock:
            taken, self._failed = self._failed, []
        return taken

    def _ask(self, number: int) -> None:
        turn = number * len(self._cases) // len(self._threads)
        connection = self._service.connect()
        with contextlib.closing(connection):
            while not self._over.is_set():
                self._one(connection, self._cases[turn % len(self._cases)])
                turn += 1

    def _one(self, connection: http.client.HTTPConnection, case: Case) -> None:
        failure = ""
        seconds = 0.0
        try:
            answer = send(connection, PATH, case)
            seconds = answer.seconds
            if not answer.fits(case):
                failure = f"{case.name}: {answer.status} {answer.content}"
        except OSError as error:
            failure = f"{case.name}: {type(error).__name__}: {error}"
            connection.close()
        with self._lock:
            if failure:
                self._failed.append(failure)
            else:
                self._seconds.append(seconds)


@dataclass(frozen=True, slots=True)
class Swap:
    """What happened when one processor took the place of another."""

    before: str
    after: str
    change: Event
    """What the host says of the component that changed."""

    seconds: float
    """From the change of the line until the host said that it has reloaded."""

    meanwhile: Sequence[float]
    """The seconds of each request that was answered in between."""

    failed: Sequence[str]
    """Requests of the clients since the swap before, until the table was asked."""

    table: Sequence[float]
    """The seconds of each case of the table, asked once more when it was done."""

    wrong: Sequence[str]

    @property
    def went_well(self) -> bool:
        """Whether nothing failed and all answers were those of the table."""
        return not self.failed and not self.wrong and bool(self.meanwhile)


def swap(service: Service, clients: Clients, folder: Path, processor: str) -> Swap:
    """Put another processor into the place of the one that runs, and ask it everything."""
    since = len(service.events)
    clients.answers()
    began = time.perf_counter()
    before = choose(folder, processor)
    done = service.event("reloaded", "reload-failed", since=since)
    seconds = time.perf_counter() - began
    meanwhile = clients.answers()
    if done["event"] == "reload-failed":
        raise RuntimeError(done["message"])
    change = service.event("component-changed", since=since)
    table, wrong = ask(service)
    return Swap(before, processor, change, seconds, meanwhile, clients.failures(), table, wrong)


def ask(service: Service) -> tuple[list[float], list[str]]:
    """Send every case of the table once; return how long each took, and what was answered wrongly."""
    seconds, wrong = [], []
    with contextlib.closing(service.connect()) as connection:
        for case in read_cases():
            answer = send(connection, PATH, case)
            seconds.append(answer.seconds)
            if not answer.fits(case):
                wrong.append(f"{case.name}: {answer.status} {answer.content}")
    return seconds, wrong


def round_trip(folder: Path, order: Sequence[str]) -> Iterator[Swap]:
    """Serve the first of these processors, then put each of the others into its place, the first again at the end."""
    choose(folder, order[0])
    with Service(folder, "--watch", "--no-access-log") as service, Clients(service, read_cases()) as clients:
        introduce(service)
        for processor in [*order[1:], order[0]]:
            yield swap(service, clients, folder, processor)


def introduce(service: Service) -> None:
    """Print a few requests and their answers."""
    with contextlib.closing(service.connect()) as connection:
        for case in [case for case in read_cases() if case.name in SHOWN]:
            answer = send(connection, PATH, case)
            text = json.dumps(answer.content, ensure_ascii=False)
            print(f"  POST {PATH}  {json.dumps(json.loads(case.body), ensure_ascii=False)}")
            print(f"    -> {answer.status}  {answer.seconds * 1000:.2f} ms  {text}", flush=True)


def show(number: int, done: Swap) -> None:
    """Print what happened in one swap."""
    print(f'\n{number}. source = "{done.before}"  ->  source = "{done.after}"')
    print(f"   {done.change['message']}")
    print(
        f"   {done.seconds:.1f} s until every request was answered by it; meanwhile "
        f"{len(done.meanwhile)} requests were answered, {len(done.failed)} failed"
    )
    right = len(done.table) - len(done.wrong)
    print(f"   {right} of {len(done.table)} answers of the new one are as the table says", flush=True)
    for failure in [*done.failed, *done.wrong][:10]:
        print(f"   DIFFERS  {failure[:200]}")


def summarise(swaps: Sequence[Swap]) -> None:
    """Print one row for each swap."""
    print(
        "\nprocessor           size     swapped in  answered meanwhile  failed  slowest meanwhile  median after"
    )
    for done in swaps:
        size = f"{done.change['size'] / 1024:.0f} KiB"
        slowest = f"{max(done.meanwhile, default=0) * 1000:.1f} ms"
        median = f"{statistics.median(done.table) * 1000:.2f} ms"
        print(
            f"{done.after:<18}{size:>10}{done.seconds:>10.1f} s{len(done.meanwhile):>19}{len(done.failed):>8}"
            f"{slowest:>19}{median:>14}"
        )


def build(folder: Path, order: Sequence[str]) -> int:
    """Build all of it, so that a swap is not as long as its compiler. Returns 0, or the exit code of what failed."""
    for processor in order:
        choose(folder, processor)
        print(f"\n$ wisp build cyber    # the processor from {processor}", flush=True)
        if code := subprocess.run([str(WISP), "build", str(folder)], check=False).returncode:
            return code
    return 0


def main() -> int:
    """Build, serve, swap each processor in, and say how it went."""
    order = processors()
    print("gateway (Python)  ->  processor (any language)  ->  formatter (JavaScript)", flush=True)
    with copied() as folder:
        if code := build(folder, order):
            return code
        print("\n$ wisp up cyber --watch", flush=True)
        swaps = []
        for number, done in enumerate(round_trip(folder, order), 1):
            if number == 1:
                print(
                    f"\n{CLIENTS} clients ask all the time, while one line of wisp.toml is changed and saved:"
                )
            show(number, done)
            swaps.append(done)
    summarise(swaps)
    well = all(done.went_well for done in swaps)
    answered = sum(len(done.meanwhile) for done in swaps)
    print(
        f"\n{len(swaps)} swaps, {answered} requests answered during them, "
        + ("none failed" if well else "NOT all well")
    )
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
