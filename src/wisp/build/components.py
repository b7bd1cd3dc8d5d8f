"""From a project to a component in the cache, by way of the language's builder, unless nothing has changed.

A build is known by the digest of its inputs: the files that decide it, the tools, the options, the pins of the lock
file. What it gave is remembered under that digest; pins that it found out itself are part of the digest of the *next*
build, when they come from the lock file, so it is remembered under that one as well.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.build import inputs, languages
from wisp.build.builder import Builder, BuildRequest, Pin, Report
from wisp.errors import BuildError, ComponentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wisp.registry.cache import Cache

SCHEMA = "1"
"""Part of every digest of inputs: raise it when builds of the same inputs must be done again."""


@dataclass(frozen=True, slots=True)
class Project:
    """The sources of one component, and what the manifest says of building them."""

    component: str
    folder: Path
    command: str | None = None
    product: str | None = None
    """The file that the command makes, from the folder."""

    watch: tuple[str, ...] = ()
    """Globs, from the folder, of the files that decide the output, in place of the language's own."""

    workdir: str = "."
    """Where the command runs, from the folder."""

    release: bool = True
    pins: tuple[Pin, ...] = ()
    """What the lock file says about its dependencies."""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """One component, built and kept in the cache."""

    component: str
    digest: str
    size: int
    language: str
    cached: bool
    """Nothing had to be built."""

    seconds: float
    pins: tuple[Pin, ...]
    """What came from outside, for the lock file."""

    inputs: tuple[Path, ...]
    """The files that decide the output."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A project, its builder and its inputs."""

    project: Project
    builder: Builder
    files: tuple[Path, ...]
    fingerprint: str

    @classmethod
    def of(cls, project: Project) -> _Plan:
        """Look at a project."""
        builder = _builder(project)
        files = (
            inputs.matching(project.folder, project.watch)
            if project.watch
            else builder.inputs(project.folder)
        )
        return cls(project, builder, tuple(files), builder.fingerprint(project.folder))

    def digest(self, pins: Sequence[Pin]) -> str:
        """Return the digest of the inputs, given these pins."""
        options = "release" if self.project.release else "quick"
        facts = [
            SCHEMA,
            _code(self.builder.language),
            self.builder.language,
            self.fingerprint,
            options,
            json.dumps(_plain(pins)),
        ]
        return inputs.digest(self.project.folder, self.files, facts)


@functools.cache
def _code(language: str) -> str:
    """Return the digest of the builder itself: a component that it builds in another way is another one."""
    files = sorted(Path(__file__).parent.glob(f"{language}*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def build_component(project: Project, cache: Cache, report: Report) -> BuildResult:
    """Build a component, unless a build with the same inputs is known. It blocks: call it in a thread.

    Raises:
        BuildError: the sources are at fault, or no builder knows them.
        ToolchainError: a tool is missing.
        ArtifactError: the cache cannot be written.

    """
    began = time.monotonic()
    try:
        plan = _Plan.of(project)
        if known := _known(plan, cache, began):
            return known
        with _work_folder(project, cache) as work:
            return _known(plan, cache, began) or _build(plan, cache, work, report, began)
    except BuildError as error:
        error.component = error.component or project.component
        raise


def _builder(project: Project) -> Builder:
    if project.command is None:
        return languages.require(project.folder, project.component)
    from wisp.build.command import CommandBuilder  # noqa: PLC0415 - few manifests have one

    return CommandBuilder(project.command, project.product, project.workdir, project.watch)


def _known(plan: _Plan, cache: Cache, began: float) -> BuildResult | None:
    digest_of_inputs = plan.digest(plan.project.pins)
    digest = cache.built(digest_of_inputs)
    pins = _read_pins(cache, digest_of_inputs)
    return None if digest is None or pins is None else _result(plan, cache, (digest, pins, True), began)


def _result(plan: _Plan, cache: Cache, made: tuple[str, tuple[Pin, ...], bool], began: float) -> BuildResult:
    digest, pins, cached = made
    return BuildResult(
        component=plan.project.component,
        digest=digest,
        size=cache.component(digest).stat().st_size,
        language=plan.builder.language,
        cached=cached,
        seconds=time.monotonic() - began,
        pins=pins,
        inputs=plan.files,
    )


def _build(plan: _Plan, cache: Cache, work: Path, report: Report, began: float) -> BuildResult:
    project = plan.project
    with tempfile.TemporaryDirectory(dir=cache.folder("work"), prefix=".build-") as temporary:
        output = Path(temporary, "component.wasm")
        request = BuildRequest(project.component, project.folder, output, work, project.release, project.pins)
        pins = tuple(plan.builder.build(request, report))
        content = _component(project, output)
    digest = cache.add(content)
    for known in {plan.digest(project.pins), plan.digest(pins)}:
        _write_pins(cache, known, pins)
        cache.remember_build(known, digest)
    return _result(plan, cache, (digest, pins, False), began)


def _component(project: Project, output: Path) -> bytes:
    """Return what was built, once it has been found to be a component."""
    from wisp import native  # noqa: PLC0415 - not needed when nothing is built

    try:
        content = output.read_bytes()
    except OSError as error:
        message = "the build ended well but made no component"
        raise BuildError(message, component=project.component, file=project.folder) from error
    kind = native.inspect(content).kind
    if kind == "component":
        return content
    if kind == "module":
        try:
            described = native.described(content)
        except ComponentError as error:
            message = f"the build made a core module that does not become a component: {error.message}"
            raise BuildError(message, component=project.component, file=project.folder) from error
        if described is not None:
            return described
    what = "a core WebAssembly module" if kind == "module" else "not WebAssembly"
    message = f"the build made {what}, where a component was expected"
    raise BuildError(message, component=project.component, file=project.folder)


@contextlib.contextmanager
def _work_folder(project: Project, cache: Cache) -> Iterator[Path]:
    """Hold the folder that survives between the builds of this component; other processes wait."""
    key = hashlib.sha256(f"{project.folder.resolve()}\0{project.component}".encode()).hexdigest()[:16]
    folder = cache.folder("work", f"{project.component}-{key}")
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _plain(pins: Sequence[Pin]) -> list[list[object]]:
    return sorted([pin.name, pin.version, sorted(pin.hashes)] for pin in pins)


def _pins_file(cache: Cache, digest_of_inputs: str) -> Path:
    return cache.root / "work" / "pins" / f"{digest_of_inputs.removeprefix('sha256:')}.json"


def _write_pins(cache: Cache, digest_of_inputs: str, pins: Sequence[Pin]) -> None:
    from wisp.registry import files  # noqa: PLC0415 - not needed when nothing is built

    files.write(_pins_file(cache, digest_of_inputs), json.dumps(_plain(pins)).encode())


def _read_pins(cache: Cache, digest_of_inputs: str) -> tuple[Pin, ...] | None:
    try:
        entries = json.loads(_pins_file(cache, digest_of_inputs).read_bytes())
        return tuple(Pin(name, version, tuple(hashes)) for name, version, hashes in entries)
    except (OSError, ValueError):
        return None
