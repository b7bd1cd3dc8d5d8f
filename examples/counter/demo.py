"""One key-value store that components in three languages share: builds them, visits each in turn, starts wisp again.

    python -m examples.counter.demo

Exits with 1 when a visit was not counted.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from pathlib import Path

from examples.service import Service

FOLDER = Path(__file__).parent
LANGUAGES = ("python", "rust", "javascript")


def visit(service: Service, language: str) -> object:
    """Visit the service of one language, and return its answer."""
    with contextlib.closing(service.connect()) as connection:
        connection.request("GET", f"/{language}")
        response = connection.getresponse()
        content = response.read()
    return json.loads(content) if response.status == 200 else content.decode(errors="replace")  # noqa: PLR2004


def main() -> int:
    """Build, serve, visit, stop; and once more, with what was counted before."""
    wrong, expected = 0, 0
    with tempfile.TemporaryDirectory() as state:
        for _ in range(2):
            print(f"\n$ wisp up {FOLDER.relative_to(Path.cwd())} --state {state}", flush=True)
            with Service(FOLDER, "--no-access-log", "--state", state) as service:
                for language in (*LANGUAGES, *LANGUAGES):
                    expected += 1
                    answer = visit(service, language)
                    print(f"  GET /{language:<12}-> {json.dumps(answer)}")
                    wrong += answer != {"language": language, "visits": expected}
    print(
        f"\n{wrong} visits were not counted"
        if wrong
        else f"\nall {expected} visits were counted, in one store"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
