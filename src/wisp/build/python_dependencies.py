"""A Python project's dependencies, as a folder of pure Python that nothing of this machine gets into.

`uv` resolves for the guest: CPython 3.14 on a WebAssembly platform, wheels only, so that nothing of a dependency runs on
this machine. Some distributions have a compiled part and no pure wheel. When that is why there is no solution, uv resolves
for Linux instead, and what it installs shows which they are; where the compiled part is optional it is left out, and any
other is an error that names it. (What uv says about it is prose, and not to be relied on.)

Pins of the lock file are uv's preference, not its order: they hold as long as the declared requirements allow them.
"""

from __future__ import annotations

import hashlib
import json
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
_PIN: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)(.*)$", re.MULTILINE)
_HASH: Final = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


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
    installer = _Installer(project, request, report)
    pins = installer.compile(PLATFORM)
    platform = FALLBACK_PLATFORM if isinstance(pins, _Failure) else PLATFORM
    if isinstance(pins, _Failure):
        pins = _required(installer.compile(FALLBACK_PLATFORM), project, request)
    if not pins:
        return None
    key = hashlib.sha256(repr((platform, pins, sorted(project.fallbacks))).encode()).hexdigest()[:16]
    folder = request.work / f"dependencies-{key}"
    if not folder.is_dir():
        report(f"{request.component}: installing {len(pins)} dependencies")
        installer.install(pins, platform, folder)
    return Dependencies(folder, pins)


def _required(
    pins: tuple[Pin, ...] | _Failure, project: PythonProject, request: BuildRequest
) -> tuple[Pin, ...]:
    if not isinstance(pins, _Failure):
        return pins
    message = f"the dependencies cannot be had: {pins.headline()}"
    declared = _declared(project)
    raise BuildError(
        message, component=request.component, file=declared, line=pins.line(declared), output=pins.text
    )


def _declared(project: PythonProject) -> Path:
    return project.requirements_file or project.folder / "pyproject.toml"


@dataclass(frozen=True, slots=True)
class _Failure:
    """What uv says when it fails."""

    text: str

    def headline(self) -> str:
        """Return uv's first sentence of substance."""
        text = " ".join(self.text.split())
        found = re.search(r"cause: (.+?)(?= hint:| cause:|$)", text) or re.search(
            r"error: (.+?)(?= hint:|$)", text
        )
        return found[1] if found else text or "uv failed"

    def line(self, declared: Path) -> int | None:
        """Return the line that declares a distribution which uv names."""
        return _line(declared, set(re.findall(r"[a-z0-9][a-z0-9._-]+", self.headline().lower())))


@dataclass(frozen=True, slots=True)
class _Installer:
    project: PythonProject
    request: BuildRequest
    report: Report

    def compile(self, platform: str) -> tuple[Pin, ...] | _Failure:
        """Find the versions for a platform."""
        work = self.request.work
        excluded = _write(work / "excluded.txt", [SHIPPED])
        pinned = _write(work / "pinned.txt", (f"{pin.name}=={pin.version}" for pin in self.request.pins))
        command = process.uv(
            *("pip", "compile", str(self._requirements()), "--excludes", str(excluded)),
            *("--output-file", str(pinned), "--generate-hashes", "--no-header", "--no-annotate", "--quiet"),
            *_target(platform),
        )
        output = process.run(command, folder=self.project.folder)
        return _pins(pinned.read_text(encoding="utf-8")) if output.code == 0 else _Failure(output.text)

    def _requirements(self) -> Path:
        if self.project.requirements_file is not None:
            return self.project.requirements_file
        return _write(self.request.work / "requirements.txt", self.project.requirements)

    def install(self, pins: Sequence[Pin], platform: str, folder: Path) -> None:
        """Install what was found, whole or not at all."""
        for old in self.request.work.glob("dependencies*"):
            shutil.rmtree(old, ignore_errors=True)
        partial = self.request.work / "dependencies"
        self._run(pins, platform, partial)
        compiled = [pin for pin in pins if _is_compiled(partial, pin)]
        refused = [pin for pin in compiled if not self._is_optional(pin) and not self._has_pure(pin, partial)]
        if refused:
            raise self._refusal(refused)
        for path in _compiled_files(partial):
            path.unlink()
        partial.rename(folder)

    def _is_optional(self, pin: Pin) -> bool:
        name = normal(pin.name)
        if name not in self.project.fallbacks | OPTIONAL_PARTS:
            return False
        self.report(f"{self.request.component}: {name} is used without its compiled part")
        return True

    def _has_pure(self, pin: Pin, folder: Path) -> bool:
        """Replace an installed distribution by its pure wheel, if it has one."""
        try:
            self._run([pin], PLATFORM, folder)
        except ToolchainError:
            return False
        return not _is_compiled(folder, pin)

    def _run(self, pins: Sequence[Pin], platform: str, folder: Path) -> None:
        lines = (
            " ".join([f"{pin.name}=={pin.version}", *(f"--hash={value}" for value in pin.hashes)])
            for pin in pins
        )
        wanted = _write(self.request.work / "wanted.txt", lines)
        command = process.uv(
            *("pip", "install", "--requirement", str(wanted), "--target", str(folder), "--reinstall"),
            *("--no-deps", "--require-hashes", "--link-mode", "copy", "--quiet"),
            *_target(platform),
        )
        output = process.run(command, folder=self.project.folder)
        if output.code != 0:
            message = f"the dependencies cannot be installed: {_Failure(output.text).headline()}"
            raise ToolchainError(message, component=self.request.component, tool="uv")

    def _refusal(self, pins: Sequence[Pin]) -> BuildError:
        names = sorted(normal(pin.name) for pin in pins)
        message = f"{', '.join(names)}: no pure Python wheel, and a component cannot load code compiled for another platform"
        hint = (
            "use another package, or a version with a wheel for any platform; if it works without its compiled part too,"
            f" say so in pyproject.toml: [tool.wisp] pure-fallback = {json.dumps(names)}"
        )
        declared = _declared(self.project)
        line = _line(declared, set(names))
        return BuildError(message, component=self.request.component, file=declared, line=line, hint=hint)


def _target(platform: str) -> tuple[str, ...]:
    wheels = ("--only-binary", ":all:", "--python-platform", platform)
    return ("--python", sys.executable, "--python-version", GUEST_PYTHON, *wheels)


def _pins(text: str) -> tuple[Pin, ...]:
    lines = _PIN.findall(text.replace("\\\n", " "))
    found = (Pin(name, version, tuple(sorted(_HASH.findall(rest)))) for name, version, rest in lines)
    return tuple(sorted(found, key=lambda pin: pin.name))


def _write(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _line(declared: Path, names: set[str]) -> int | None:
    """Return the line that declares one of these, if any does itself."""
    try:
        lines = declared.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    for number, line in enumerate(lines, 1):
        if any(re.search(rf"(?<![\w.-]){re.escape(normal(name))}(?![\w-])", normal(line)) for name in names):
            return number
    return None


def _is_compiled(folder: Path, pin: Pin) -> bool:
    """Whether the wheel that a distribution came from is for one platform only."""
    name = normal(pin.name).replace("-", "_")
    for path in folder.glob("*.dist-info/WHEEL"):
        if normal(path.parent.name.partition("-")[0]).replace("-", "_") == name:
            return not re.search(r"^Tag: \S+-any\s*$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return False


def _compiled_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in _COMPILED and path.is_file()]
