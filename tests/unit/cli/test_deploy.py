"""What `wisp deploy` does while something else is waited for."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, sys
from wisp.cli.deploy import _Meanwhile

LATE = "wisp.lattice.nats.connection"

async def main():
    told = []
    meanwhile = _Meanwhile(told.append)
    await meanwhile.over()
    print(LATE in sys.modules)
    meanwhile.report("compiling")
    meanwhile.report("compiling more")
    await meanwhile.over()
    print(LATE in sys.modules, told)

asyncio.run(main())
"""


def test_what_speaks_to_the_lattice_is_loaded_when_something_begins_that_takes_a_while() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["False", "True ['compiling', 'compiling more']"]
