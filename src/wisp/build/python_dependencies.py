"""A Python project's dependencies, as a folder of pure Python that nothing of this machine gets into.

`uv` resolves for the guest: CPython 3.14 on a WebAssembly platform, wheels only, so that nothing of a dependency runs on
this machine. A distribution that has no pure wheel is an error which names it, except where the compiled part is
optional: then the Linux wheel is taken and its compiled files are left out.

Pins of the lock file are uv's preference, not its order: they hold as long as the declared requirements allow them.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wisp.build import process
from wisp.build.builder import Pin
from wisp.build.python_project import PythonProject, normal
from wisp.errors import BuildError, ToolchainError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from wisp.build.builder import BuildRequest, Report

GUEST_PYTHON: Final = "3.14"
PLATFORM: Final = "wasm32-pyodide2024"
"""The platform of uv that is nearest to the guest's; its own compiled wheels are refused as well."""

FALLBACK_PLATFORM: Final = "x86_64-manylinux_2_28"
OPTIONAL_PARTS: Final = frozenset({"markupsafe", "pyyaml", "wrapt", "charset-normalizer"})
"""Distributions that are known to work without their compiled part."""

SHIPPED: Final = "wisp-guest"
"""Declared for editors and tests; the builder brings its own."""

_COMPILED: Final = (".so", ".pyd", ".dylib", ".a")
_PIN: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)((?:.|\\\n)*?)(?=^\S|\Z)", re.MULTILINE)
_HASH: Final = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
_NO_WHEELS: Final = re.compile(
    r"(?:all versions of ([\w.-]+) have|([A-Za-z0-9][\w.-]*?)(?:>=?[^\s,<]+)? has) no (?:usable wheels|wheels with)"
)
_NEEDS_WHEELS: Final = re.compile(r"Wheels are required for `([^`]+)`")


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a project depends on, installed."""

    folder: Path
    pins: tuple[Pin, ...]


def install(project: PythonProject, request: BuildRequest, report: Report) -> Dependencies | None:
    """Resolve and install a project's dependencies; None when it has none.

    Raises:
        BuildError: they cannot be had, or one has no pure wheel.
    """
    if not project.requirements and project.requirements_file is None:
        return None
    report(f"{request.component}: resolving dependencies")
    resolution = _Resolver(project, request).resolve()
    pins = (*resolution.pure, *resolution.fallback)
    if not pins:
        return None
    key = hashlib.sha256(repr(resolution).encode()).hexdigest()[:16]
    folder = request.work / f"dependencies-{key}"
    if not folder.is_dir():
        report(f"{request.component}: installing {len(pins)} dependencies")
        _install(resolution, request, folder)
    for name in (pin.name for pin in resolution.fallback):
        report(f"{request.component}: {name} has no pure wheel; it is used without its compiled part")
    return Dependencies(folder, pins)


@dataclass(frozen=True, slots=True)
class _Resolution:
    pure: tuple[Pin, ...]
    fallback: tuple[Pin, ...] = ()


@dataclass(frozen=True, slots=True)
class _Resolver:
    project: PythonProject
    request: BuildRequest

    def resolve(self) -> _Resolution:
        """Find the versions, with as few compiled distributions replaced as possible."""
        text = self._compile(PLATFORM, frozenset())
        without: frozenset[str] = frozenset()
        while isinstance(text, _Failure):
            culprits = text.culprits()
            usable = (culprits & (self.project.fallbacks | OPTIONAL_PARTS)) - without
            if not usable:
                raise self._error(text, culprits - without)
            without |= usable
            text = self._compile(PLATFORM, without)
        return _Resolution(_pins(text), self._fallback(without))

    def _fallback(self, names: frozenset[str]) -> tuple[Pin, ...]:
        if not names:
            return ()
        text = self._compile(FALLBACK_PLATFORM, frozenset())
        if isinstance(text, _Failure):
            raise self._error(text, text.culprits())
        return tuple(pin for pin in _pins(text) if normal(pin.name) in names)

    def _compile(self, platform: str, without: frozenset[str]) -> str | _Failure:
        work = self.request.work
        excluded = _write(work / "excluded.txt", sorted({SHIPPED, *without}))
        preferred = _write(work / "preferred.txt", (f"{pin.name}=={pin.version}" for pin in self.request.pins))
        command = process.uv(
            *("pip", "compile", str(self._requirements()), "--excludes", str(excluded)),
            *("--output-file", str(preferred), "--generate-hashes", "--no-header", "--no-annotate", "--quiet"),
            *_target(platform),
        )
        output = process.run(command, folder=self.project.folder)
        return preferred.read_text(encoding="utf-8") if output.code == 0 else _Failure(output.text)

    def _requirements(self) -> Path:
        if self.project.requirements_file is not None:
            return self.project.requirements_file
        return _write(self.request.work / "requirements.txt", self.project.requirements)

    def _error(self, failure: _Failure, culprits: frozenset[str]) -> BuildError:
        declared = self.project.requirements_file or self.project.folder / "pyproject.toml"
        name = self.request.component
        if not culprits:
            message = f"the dependencies cannot be had: {failure.headline()}"
            return BuildError(message, component=name, file=declared, output=failure.text)
        names = ", ".join(sorted(culprits))
        message = f"{names}: no pure Python wheel, and a component cannot load code compiled for another platform"
        hint = (
            "use another package, or another version that has a wheel for `any` platform; if it also works without its"
            f" compiled part, say so in pyproject.toml: [tool.wisp] pure-fallback = {sorted(culprits)}"
        ).replace("'", '"')
        line = _line(declared, culprits)
        return BuildError(message, component=name, file=declared, line=line, hint=hint, output=failure.text)


@dataclass(frozen=True, slots=True)
class _Failure:
    """What uv says when it finds no solution."""

    text: str

    def culprits(self) -> frozenset[str]:
        """Return the distributions that have no pure wheel in any version, or in no newer one."""
        flat = " ".join(self.text.split())
        named = {normal(first or second) for first, second in _NO_WHEELS.findall(flat)}
        return frozenset(named or {normal(name) for name in _NEEDS_WHEELS.findall(flat)})

    def headline(self) -> str:
        """Return uv's first sentence of substance."""
        lines = [line.strip(" ×╰─▶│") for line in self.text.splitlines()]
        causes = [line.removeprefix("cause: ") for line in lines if line.startswith("cause: ")]
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return next(iter((*causes, *errors, *lines)), "uv failed")


def _target(platform: str) -> tuple[str, ...]:
    wheels = ("--only-binary", ":all:", "--python-platform", platform)
    return ("--python", sys.executable, "--python-version", GUEST_PYTHON, *wheels)


def _pins(text: str) -> tuple[Pin, ...]:
    found = (Pin(name, version, tuple(sorted(_HASH.findall(rest)))) for name, version, rest in _PIN.findall(text))
    return tuple(sorted(found, key=lambda pin: pin.name))


def _write(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _line(declared: Path, names: frozenset[str]) -> int | None:
    """Return the line that declares one of these, if any does itself."""
    try:
        lines = declared.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    for number, line in enumerate(lines, 1):
        if any(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", normal(line)) for name in names):
            return number
    return None


def _install(resolution: _Resolution, request: BuildRequest, folder: Path) -> None:
    for old in request.work.glob("dependencies-*"):
        shutil.rmtree(old, ignore_errors=True)
    partial = request.work / "dependencies.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    _install_pins(resolution.pure, PLATFORM, request, partial)
    _refuse_compiled(request, partial)
    _install_pins(resolution.fallback, FALLBACK_PLATFORM, request, partial)
    for path in _compiled(partial):
        path.unlink()
    partial.rename(folder)


def _install_pins(pins: Sequence[Pin], platform: str, request: BuildRequest, folder: Path) -> None:
    if not pins:
        return
    lines = (" ".join([f"{pin.name}=={pin.version}", *(f"--hash={value}" for value in pin.hashes)]) for pin in pins)
    command = process.uv(
        *("pip", "install", "--requirement", str(_write(request.work / "pins.txt", lines)), "--target", str(folder)),
        *("--no-deps", "--require-hashes", "--link-mode", "copy", "--quiet"),
        *_target(platform),
    )
    output = process.run(command, folder=request.folder)
    if output.code != 0:
        message = f"the dependencies cannot be installed: {_Failure(output.text).headline()}"
        raise ToolchainError(message, component=request.component, tool="uv")


def _compiled(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in _COMPILED and path.is_file()]


def _refuse_compiled(request: BuildRequest, folder: Path) -> None:
    found = _compiled(folder)
    if found:
        name = found[0].relative_to(folder).parts[0]
        message = f"{name} brings code compiled for another platform: {found[0].name}"
        raise BuildError(message, component=request.component, file=request.folder)
