"""The compiler's own process: `python -P -m wisp.native.compile WASM OUTPUT STRATEGY`.

A compiler that is fed with foreign input may take all memory, all time, or fall over. So it is never run in a process
that serves or supervises. This one limits itself, looks at the component, compiles it, prints one line of JSON and
ends. The line is what `_core.compile` returned, with the component's description as `info`; or
`{"error": ..., "hint": ..., "kind": "component" | "internal"}` and exit code 1.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wisp.errors import ComponentError, WispError
from wisp.native.core import inspect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wisp.native.component import ComponentInfo

_GIB = 2**30
_ARGUMENTS = 3


_MIB = 2**20
MOST_BYTES: Final = 256 * _MIB
"""The largest component that is compiled."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the compiler may take."""

    address_space: int = 16 * _GIB
    """Bytes. The interpreter and threads reserve more than they use."""

    memory: int = 8 * _GIB
    """Bytes that it may write to. A component of 18 MB takes under 1 GiB."""

    cpu_seconds: int = 900
    """Over all threads. The slowest known component, 37 MB of Python, takes about a minute."""

    file_size: int = 4 * _GIB
    """Bytes. A compiled file is two to four times the component."""

    niceness: int = 5
    """Serving goes first."""

    @classmethod
    def of(cls, size: int, environment: Mapping[str, str]) -> Limits:
        """Return what the compiler may take for a component of so many bytes: much more than an honest one of that size needs.

        `WISP_COMPILE_MEMORY` (MiB) and `WISP_COMPILE_SECONDS` take the place of what is reckoned here.
        """
        memory = _number(environment, "WISP_COMPILE_MEMORY")
        most, seconds = cls(), _number(environment, "WISP_COMPILE_SECONDS")
        return cls(
            memory=memory * _MIB if memory else min(most.memory, _GIB + 100 * size),
            cpu_seconds=seconds or min(most.cpu_seconds, 60 + 25 * size // _MIB),
        )

    def apply(self) -> None:
        """Limit this process, for good. Limits that are tighter already stay."""
        _lower(resource.RLIMIT_AS, self.address_space)
        _lower(resource.RLIMIT_DATA, self.memory)
        # At the hard limit the system kills without saying why: that must not look like a lack of memory.
        _lower(resource.RLIMIT_CPU, self.cpu_seconds, grace=5)
        _lower(resource.RLIMIT_FSIZE, self.file_size)
        _lower(resource.RLIMIT_CORE, 0)
        os.nice(self.niceness)


def main(arguments: Sequence[str]) -> int:
    """Compile one component, and print what came of it."""
    if len(arguments) != _ARGUMENTS:
        sys.stderr.write("usage: python -P -m wisp.native.compile WASM OUTPUT STRATEGY\n")
        return 2
    wasm, output, strategy = arguments
    try:
        size = Path(wasm).stat().st_size
        Limits.of(size, os.environ).apply()
        print(json.dumps(compile_component(Path(wasm), Path(output), strategy)))  # noqa: T201 - the answer
    except WispError as error:
        kind = "component" if isinstance(error, ComponentError) else "internal"
        return _refuse({"error": error.message, "hint": error.hint, "kind": kind})
    except OSError as error:
        said = error.strerror or str(error)
        return _refuse({"error": said, "hint": None, "kind": "internal", "errno": error.errno})
    return 0


def compile_component(wasm: Path, output: Path, strategy: str) -> dict[str, object]:
    """Compile a component into a file, in this process.

    Raises:
        ComponentError: it is no component, or not one that can be compiled.

    """
    if wasm.stat().st_size > MOST_BYTES:
        message = f"the component is larger than {MOST_BYTES // _MIB} MiB"
        raise ComponentError(message)
    info = inspect(wasm.read_bytes())
    require_component(info)
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    outcome: dict[str, object] = json.loads(_core.compile(str(wasm), str(output), strategy))
    return {**outcome, "info": info.to_json()}


def require_component(info: ComponentInfo) -> None:
    """Refuse what is no component, and say what it is instead.

    Raises:
        ComponentError: it is something else.

    """
    if info.kind == "module":
        message = "this is a core WebAssembly module, not a component"
        hint = "build it for wasm32-wasip2, or run it with `wisp run` if it is a preview-1 program"
        raise ComponentError(message, hint=hint)
    if info.kind == "unknown":
        message = "this is not a WebAssembly file"
        raise ComponentError(message, hint="a component starts with the bytes 00 61 73 6d 0d 00 01 00")


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "")
    return int(text) if text.isdecimal() else 0


def _refuse(answer: dict[str, object]) -> int:
    print(json.dumps(answer))  # noqa: T201 - the answer
    return 1


def _lower(limit: int, value: int, *, grace: int = 0) -> None:
    _, hard = resource.getrlimit(limit)
    if hard == resource.RLIM_INFINITY:
        hard = value + grace
    resource.setrlimit(limit, (min(value, hard), min(value + grace, hard)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
