"""C: clang and WASI's C library out of the PyPI package `ziglang` make a core module; our encoder makes it a component.

Every `.c` file of the project is compiled in one go with wisp's guest library, and with the bindings to the project's own
world if it has one; a world that exports something is a library, which does without the guest library. zig keeps what it made of each file, and
WASI's C library, in folders of the cache: only the first build of all compiles that library, which takes a while.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import wisp
from wisp.build import bindings, guests, inputs, process, worlds
from wisp.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wisp.build.builder import BuildRequest, Pin, Report, Tool
    from wisp.build.worlds import World

REQUIREMENT: Final = "ziglang==0.17.1"
GUEST: Final = guests.FOLDER / "c"
IGNORED: Final = ("tests", "test_*.c", "*_test.c")
FLAGS: Final = ("-target", "wasm32-wasi", "-mexec-model=reactor", "-std=gnu17", "-Wall", "-fno-sanitize=all")
RELEASE: Final = ("-Os", "-flto", "-s", "-Wl,--gc-sections")
QUICK: Final = ("-O1",)

_ERROR: Final = re.compile(r"^(?!In file)(.+?):(\d+):\d+: (?:fatal )?error: (.+)$", re.MULTILINE)
_UNDEFINED: Final = re.compile(r"undefined symbol: (\S+)")


class CBuilder:
    """Builds C projects."""

    language = "c"

    def detect(self, folder: Path) -> bool:
        """Whether the folder is a C project."""
        return any(folder.glob("*.c")) or any(folder.glob("src/*.c"))

    def tools(self, folder: Path | None) -> Sequence[Tool]:
        """Return nothing: uv, which comes with wisp, brings the compiler."""
        return ()

    def inputs(self, folder: Path) -> Sequence[Path]:
        """Return the sources and headers; any other file may be embedded, so it counts too."""
        return inputs.source_files(folder, ignored=(*IGNORED, *bindings.ignored(folder)))

    def fingerprint(self, folder: Path) -> str:
        """Return the versions of the compiler and of what wisp adds."""
        own = guests.extension() if (folder / worlds.FOLDER).is_dir() else ""
        library = guests.digest(GUEST, guests.WIT_0_2)
        return "\0".join((wisp.__version__, REQUIREMENT, *FLAGS, *RELEASE, library, own))

    def build(self, request: BuildRequest, report: Report) -> Sequence[Pin]:
        """Build a project; it has no dependencies but its own files."""
        world = worlds.find(request.folder)
        report(f"{request.component}: zig cc ({REQUIREMENT}, fetched at its first use)")
        core = request.work / "core.wasm"
        output = process.run_fetched(
            _command(request, world, core), folder=request.folder, environment=_environment(request)
        )
        if output.code != 0:
            raise _explain(output.text, request)
        if world is None:
            guests.write_service(core, request, file=request.folder)
        else:
            bindings.encode(world, core, request)
        return ()

    def sources(self, folder: Path) -> list[Path]:
        """Return the project's own `.c` files."""
        return [path for path in self.inputs(folder) if path.suffix == ".c"]


def _command(request: BuildRequest, world: World | None, core: Path) -> list[str]:
    sources, includes = BUILDER.sources(request.folder), [request.folder / "include", request.folder]
    if world is not None:
        generated = bindings.write(bindings.generate(world, "c"), request.work / bindings.FOLDER)
        sources += sorted(generated.glob("*.c"))
        includes.insert(0, generated)
    if world is None or not world.is_library:
        sources += sorted((GUEST / "src").glob("*.c"))
        includes.insert(0, GUEST / "include")
    options = RELEASE if request.release else QUICK
    found = [f"-I{folder}" for folder in includes if folder.is_dir()]
    files = [str(path) for path in sources]
    return process.uv_python(
        REQUIREMENT, "-m", "ziglang", "cc", *FLAGS, *options, *found, *files, "-o", str(core)
    )


def _environment(request: BuildRequest) -> dict[str, str]:
    cache = request.work.parent / "zig"
    return process.tool_environment(ZIG_GLOBAL_CACHE_DIR=str(cache), ZIG_LOCAL_CACHE_DIR=str(cache))


def _explain(text: str, request: BuildRequest) -> BuildError:
    """Return the compiler's first error, or the linker's."""
    match = _ERROR.search(text)
    if match is not None:
        file = request.folder / match[1]
        return BuildError(match[3], component=request.component, file=file, line=int(match[2]), output=text)
    undefined = _UNDEFINED.search(text)
    if undefined is not None:
        name = undefined[1]
        hint = _hint(name)
        message = f"no file defines `{name}`"
        return BuildError(message, component=request.component, file=request.folder, hint=hint, output=text)
    lines = [line for line in text.splitlines() if "error" in line]
    headline = lines[0] if lines else "zig cc failed"
    return BuildError(headline, component=request.component, file=request.folder, output=text)


def _hint(name: str) -> str | None:
    """Return what to do about a function that is missing."""
    if name == "wisp_handle":
        return "the service itself is this function: see wisp.h"
    if name.startswith("exports_"):
        return (
            "the world exports it; `wisp wit init c` writes a file with all such functions, to be filled in"
        )
    return None


BUILDER: Final = CBuilder()
