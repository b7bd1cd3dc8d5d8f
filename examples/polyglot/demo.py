"""The cyber service in five languages: builds it, serves it with the real `wisp up`, sends it every case of the table.

    python -m examples.polyglot.demo

Exits with 1 when any of the five answers anything else than the table says.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOLDER = Path(__file__).parent
LANGUAGES = ("rust", "python", "javascript", "go", "c")
SHOWN = ("the packet of the article", "the highest level", "a negative level", "no payload", "no JSON")
"""Cases whose answers are printed in full; all others are only counted."""

WISP = Path(sys.executable).with_name("wisp")
START_LIMIT = 900.0
"""Seconds until the service listens: the first start compiles five components."""

STOP_LIMIT = 30.0


@dataclass(frozen=True, slots=True)
class Case:
    """One request, and what all five must answer."""

    name: str
    body: bytes
    status: int
    answer: dict[str, Any]

    @property
    def kind(self) -> str:
        """The content type of the answer."""
        return "application/json" if self.status == http.HTTPStatus.OK else "application/problem+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    kind: str | None
    content: object
    seconds: float

    def fits(self, case: Case) -> bool:
        """Whether it is what the table says."""
        return (self.status, self.kind, self.content) == (case.status, case.kind, case.answer)


def read_cases() -> list[Case]:
    """Read the table. A case gives its body as text or as hexadecimal; `expand` repeats pieces of it."""
    cases = []
    for entry in json.loads((FOLDER / "cases.json").read_bytes()):
        body = bytes.fromhex(entry["hex"]) if "hex" in entry else entry["body"].encode()
        for mark, (text, times) in entry.get("expand", {}).items():
            body = body.replace(mark.encode(), text.encode() * times)
        cases.append(Case(entry["name"], body, entry["status"], entry["answer"]))
    return cases


def send(connection: http.client.HTTPConnection, language: str, case: Case) -> Answer:
    """Send one case on a connection that is kept."""
    began = time.perf_counter()
    connection.request("POST", f"/{language}/process", case.body, {"content-type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    seconds = time.perf_counter() - began
    content: object = text.decode(errors="replace")
    with contextlib.suppress(ValueError):
        content = json.loads(text)
    return Answer(response.status, response.headers["content-type"], content, seconds)


class Service:
    """The real `wisp up` on a free port, as a context manager."""

    def __init__(self, folder: Path = FOLDER, *arguments: str) -> None:
        command = [
            str(WISP),
            "up",
            str(folder),
            "--listen",
            "127.0.0.1:0",
            "--log-format",
            "json",
            *arguments,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._listening = threading.Event()
        self._url: str | None = None
        self._log: deque[str] = deque(maxlen=50)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        self._listening.wait(START_LIMIT)
        if self._url is None:
            self.close()
            message = f"wisp up did not start (exit code {self._process.returncode})"
            raise RuntimeError(message)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection to the service."""
        address = urlsplit(self._url or "")
        return http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)

    @property
    def log(self) -> Sequence[str]:
        """The last lines that it wrote."""
        return tuple(self._log)

    def close(self) -> int:
        """Stop it as Ctrl-C would, and return its exit code."""
        self._process.terminate()
        try:
            code = self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def _read(self) -> None:
        """Keep the pipe empty, and notice when the service listens; the pipe's end wakes who waits, too."""
        for line in self._process.stdout or ():
            self._log.append(line)
            if self._url is None and '"event":"listening"' in line:
                self._url = json.loads(line)["url"]
                self._listening.set()
        self._listening.set()


def run_cases(service: Service, language: str, cases: Sequence[Case]) -> Iterator[tuple[Case, Answer]]:
    """Send all cases to one of the five, and yield what came back."""
    with contextlib.closing(service.connect()) as connection:
        for case in cases:
            yield case, send(connection, language, case)


def show(language: str, case: Case, answer: Answer) -> None:
    """Print a request and its answer."""
    mark = "ok" if answer.fits(case) else "DIFFERS"
    text = (
        json.dumps(answer.content, ensure_ascii=False)
        if isinstance(answer.content, dict)
        else str(answer.content)
    )
    print(f"  POST /{language}/process  {case.body.decode(errors='backslashreplace')[:90]}")
    print(f"    -> {answer.status}  {answer.seconds * 1000:.2f} ms  {mark}  {text[:200]}")


def demonstrate(service: Service, cases: Sequence[Case]) -> int:
    """Send everything, print the telling part, and return how many answers differ."""
    rows, wrong = [], 0
    for language in LANGUAGES:
        print(f"\n{language}")
        times, differing = [], 0
        for case, answer in run_cases(service, language, cases):
            times.append(answer.seconds)
            differing += not answer.fits(case)
            if case.name in SHOWN or not answer.fits(case):
                show(language, case, answer)
        rows.append((language, len(times), differing, sorted(times)))
        wrong += differing
    print("\nlanguage    requests  as expected  fastest   median    slowest")
    for language, count, differing, times in rows:
        fastest, median, slowest = (times[index] * 1000 for index in (0, count // 2, -1))
        print(
            f"{language:<12}{count:>8}  {count - differing:>11}  {fastest:>6.2f} ms {median:>6.2f} ms {slowest:>7.2f} ms"
        )
    return wrong


def main() -> int:
    """Build, serve, ask, stop."""
    print("$ wisp build examples/polyglot", flush=True)
    if code := subprocess.run([str(WISP), "build", str(FOLDER)], check=False).returncode:
        return code
    print("\n$ wisp up examples/polyglot", flush=True)
    with Service(FOLDER, "--no-access-log") as service:
        wrong = demonstrate(service, read_cases())
    print(f"\n{wrong} answers differ from the table" if wrong else "\nall answers are as the table says")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
