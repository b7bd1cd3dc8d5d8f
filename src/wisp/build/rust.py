"""Rust: the user's own cargo, for the target wasm32-wasip2, whose linker makes a component.

All Rust components of a cache share one target folder, so that a dependency (and, where cargo builds it, the standard
library) is compiled once. Cargo guards that folder while it builds, but two components may have the same name for
their product; a lock of ours is held from before cargo starts until the product has been copied.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wisp.build import process, rust_project
from wisp.build.builder import BuildRequest, Pin, Report, Tool
from wisp.errors import BuildError, ToolchainError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TARGET: Final = "wasm32-wasip2"
INSTALL_CARGO: Final = "install Rust: https://rustup.rs"
INSTALL_TARGET: Final = f"rustup target add {TARGET}"
FLAGS: Final = ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "RUSTUP_TOOLCHAIN")
"""Variables that change what cargo makes."""

Message = dict[str, Any]


class RustBuilder:
    """Builds Rust projects."""

    language = "rust"

    def detect(self, folder: Path) -> bool:
        """Whether the folder is a Rust project."""
        return (folder / "Cargo.toml").is_file()

    def tools(self, folder: Path | None) -> Sequence[Tool]:
        """Return cargo and the target's standard library."""
        cargo = process.find("cargo")
        version = None if cargo is None else process.version(cargo)
        target = _target_libraries(folder or Path.cwd())
        return (
            Tool("cargo", "any recent version", version, INSTALL_CARGO, version is not None),
            Tool(
                TARGET,
                "the target's standard library",
                None if target is None else "installed",
                INSTALL_TARGET,
                target is not None,
            ),
        )

    def inputs(self, folder: Path) -> Sequence[Path]:
        """Return the project's files, those of its path dependencies, and cargo's settings above it."""
        return rust_project.inputs(folder)

    def fingerprint(self, folder: Path) -> str:
        """Return what tells one toolchain from another without starting it."""
        programs = [process.identity(path) for name in ("cargo", "rustc") if (path := process.find(name))]
        return "\0".join((TARGET, *programs, *_toolchains(), *(os.environ.get(name, "") for name in FLAGS)))

    def build(self, request: BuildRequest, report: Report) -> Sequence[Pin]:
        """Build a project; Cargo.lock pins its dependencies."""
        cargo = process.find("cargo")
        if cargo is None:
            message = "cargo is needed to build Rust, and was not found"
            raise ToolchainError(message, tool="cargo", install=INSTALL_CARGO, component=request.component)
        if _target_libraries(request.folder) is None:
            message = f"Rust's target {TARGET} is not installed"
            raise ToolchainError(message, tool=TARGET, install=INSTALL_TARGET, component=request.component)
        report(f"{request.component}: cargo build --target {TARGET}")
        with _target_folder(request.work.parent / "rust") as target:
            product = _cargo(cargo, request, target)
            shutil.copyfile(product, request.output)
        return ()


def _cargo(cargo: Path, request: BuildRequest, target: Path) -> Path:
    """Run cargo and return the component that it made."""
    profile = ("--release",) if request.release else ()
    command = (str(cargo), "build", *profile, "--target", TARGET, "--message-format", "json")
    environment = process.tool_environment(CARGO_TARGET_DIR=str(target), CARGO_TERM_COLOR="never")
    output = process.run(command, folder=request.folder, environment=environment)
    messages = [json.loads(line) for line in output.stdout.splitlines() if line.startswith("{")]
    if output.code != 0:
        raise _explain(messages, output.stderr, request)
    return _product(messages, request)


def _product(messages: Sequence[Message], request: BuildRequest) -> Path:
    """Return the one WebAssembly file that the project's own packages made; a library is preferred to a program."""
    made: dict[str, list[Path]] = {"cdylib": [], "bin": []}
    for message in messages:
        kinds = message.get("target", {}).get("kind", ())
        for name in message.get("filenames", ()):
            for kind in made.keys() & set(kinds):
                if name.endswith(".wasm"):
                    made[kind].append(Path(name))
    products = made["cdylib"] or made["bin"]
    if len(products) == 1:
        return products[0]
    if products:
        problem = f"cargo made more than one component: {', '.join(sorted(path.name for path in products))}"
        hint = "let the manifest's source name the folder of one package"
    else:
        problem = "the package makes no component"
        hint = 'a service needs these lines in Cargo.toml: [lib] and crate-type = ["cdylib"]'
    raise BuildError(problem, component=request.component, file=request.folder / "Cargo.toml", hint=hint)


def _explain(messages: Sequence[Message], stderr: str, request: BuildRequest) -> BuildError:
    """Return the compiler's first error, or what cargo itself complained about."""
    errors = [message["message"] for message in messages if message.get("reason") == "compiler-message"]
    errors = [error for error in errors if error["level"] == "error"]
    if not errors:
        return _explain_cargo(stderr, request)
    spans = [(error, span) for error in errors for span in error["spans"] if span["is_primary"]]
    first, span = spans[0] if spans else (errors[0], None)
    output = "\n".join(error["rendered"].rstrip() for error in errors)
    return BuildError(
        first["message"],
        component=request.component,
        file=None if span is None else _file(span["file_name"], request.folder),
        line=None if span is None else span["line_start"],
        output=output,
    )


def _explain_cargo(stderr: str, request: BuildRequest) -> BuildError:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    headline = next((line for line in lines if line.startswith("error")), "cargo failed")
    place = next((line for line in lines if line.startswith("--> ")), "")
    name, _, position = place.removeprefix("--> ").partition(":")
    line = position.partition(":")[0]
    return BuildError(
        headline.removeprefix("error").lstrip(": "),
        component=request.component,
        file=_file(name, request.folder) if name else request.folder / "Cargo.toml",
        line=int(line) if line.isdigit() else None,
        output=stderr.rstrip(),
    )


def _file(name: str, folder: Path) -> Path:
    """Return the file that rustc names from the workspace's root, which may lie above the package."""
    candidates = (parent / name for parent in (folder, *folder.parents))
    return next((path for path in candidates if path.exists()), Path(name))


def _target_libraries(folder: Path) -> Path | None:
    """Return the folder of the target's standard library, when it is installed."""
    rustc = process.find("rustc")
    if rustc is None:
        return None
    output = process.run((str(rustc), "--print", "target-libdir", "--target", TARGET), folder=folder)
    path = Path(output.stdout.strip() or "absent")
    return path if output.code == 0 and path.is_dir() else None


def _toolchains() -> list[str]:
    """Return what changes when rustup changes a toolchain: its own programs stay the same then."""
    home = Path(os.environ.get("RUSTUP_HOME", Path.home() / ".rustup"))
    marks = (home / "settings.toml", *sorted((home / "update-hashes").glob("*")))
    return [process.identity(path) for path in marks if path.exists()]


@contextlib.contextmanager
def _target_folder(folder: Path) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    with (folder / ".wisp-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


BUILDER: Final = RustBuilder()
