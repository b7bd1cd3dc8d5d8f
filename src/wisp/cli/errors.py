"""The one place where an error becomes words on the terminal and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from wisp.cli import output
from wisp.errors import BuildError, ManifestError, Trap, WispError, WitError

FAULT = 70
"""Our own fault (`EX_SOFTWARE`)."""

TRACKER = "https://github.com/wisp-wasm/wisp/issues"


def show(error: Exception) -> int:
    """Print an error on stderr and return the exit code that goes with it."""
    debug = os.environ.get("WISP_DEBUG", "") not in {"", "0"}
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, WispError):
        for line in describe(error):
            print(line, file=sys.stderr)
        return error.exit_code
    label = output.paint("error:", "red", stream=sys.stderr)
    if isinstance(error, OSError) and error.strerror:
        # The machine's, such as a full disk, where nobody had anything better to say of it.
        print(f"{label} {error.strerror}{_subject(error)}", file=sys.stderr)
        return 1
    print(f"{label} a fault in wisp: {type(error).__name__}: {error}", file=sys.stderr)
    if not debug:
        print("  hint: run it again with WISP_DEBUG=1 to see where, and please report it:", file=sys.stderr)
        print(f"        {TRACKER}", file=sys.stderr)
    return FAULT


def describe(error: WispError) -> list[str]:
    """Return the lines that tell a user about an error: what, where, the tool's own words, how to mend it."""
    label = output.paint("error:", "red", stream=sys.stderr)
    lines = [f"{label} {error.message}"]
    place = _place(error)
    if place and place not in error.message:
        lines.append(f"  at {place}")
    if isinstance(error, BuildError) and error.output and not error.message.endswith(error.output):
        lines += [f"  | {line}" for line in error.output.rstrip().splitlines()]
    if isinstance(error, Trap):
        lines += _trap(error)
    if error.hint:
        first, *rest = error.hint.splitlines()
        lines += [f"  hint: {first}", *(f"        {line}" for line in rest)]
    return lines


def _subject(error: OSError) -> str:
    if error.filename is None:
        return ""
    return f": {output.short(Path(os.fsdecode(error.filename)))}"


def _trap(error: Trap) -> list[str]:
    """Return why a host function failed, if one did, and where the guest was."""
    cause = error.__cause__
    because = [f"  because {cause}"] if cause is not None else []
    return [*because, *(f"  | {line}" for line in error.backtrace.rstrip().splitlines())]


def _place(error: WispError) -> str:
    if isinstance(error, ManifestError | WitError):
        return _joined(error.path, error.line, error.column)
    if isinstance(error, BuildError):
        return _joined(error.file, error.line)
    return ""


def _joined(path: Path | None, *numbers: int | None) -> str:
    if path is None:
        return ""
    return ":".join([output.short(path), *(str(number) for number in numbers if number is not None)])
