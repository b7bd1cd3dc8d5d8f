"""The cyber service in five languages: builds it, serves it with the real `wisp up`, sends it every case of the table.

    python -m examples.polyglot.demo

Exits with 1 when any of the five answers anything else than the table says.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from examples.service import WISP, Answer, Case, Service, send

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOLDER = Path(__file__).parent
LANGUAGES = ("rust", "python", "javascript", "go", "c")
SHOWN = ("the packet of the article", "the highest level", "a negative level", "no payload", "no JSON")
"""Cases whose answers are printed in full; all others are only counted."""


def read_cases() -> list[Case]:
    """Read the table. A case gives its body as text or as hexadecimal; `expand` repeats pieces of it."""
    cases = []
    for entry in json.loads((FOLDER / "cases.json").read_bytes()):
        body = bytes.fromhex(entry["hex"]) if "hex" in entry else entry["body"].encode()
        for mark, (text, times) in entry.get("expand", {}).items():
            body = body.replace(mark.encode(), text.encode() * times)
        cases.append(Case(entry["name"], body, entry["status"], entry["answer"]))
    return cases


def run_cases(service: Service, language: str, cases: Sequence[Case]) -> Iterator[tuple[Case, Answer]]:
    """Send all cases to one of the five, and yield what came back."""
    with contextlib.closing(service.connect()) as connection:
        for case in cases:
            yield case, send(connection, f"/{language}/process", case)


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
