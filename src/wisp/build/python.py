"""Python: componentize-py runs the project's top level at build time and keeps a snapshot of the interpreter.

The build happens in a work folder: the sources are copied there, because componentize-py mounts what it imports from
writable, and so that nothing but the project, its declared dependencies and wisp's guest library can be imported.
componentize-py would otherwise fall back to the packages of whatever Python runs it.

    sources/        the project
    guest/          wisp_guest
    dependencies-*  what the project declares, installed for the guest
    entry/          a module of a few lines that imports the project's module and exports its handler
    nothing/        what componentize-py is told is the virtual environment
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wisp.build import (
    bindings,
    guests,
    inputs,
    process,
    python_capabilities,
    python_dependencies,
    python_errors,
    worlds,
)
from wisp.build.builder import BuildRequest, Pin, Report, Tool
from wisp.build.python_project import PythonProject, late_imports
from wisp.errors import BuildError, ComponentError

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION: Final = "0.25.1"
REQUIREMENT: Final = f"componentize-py=={VERSION}"
GUEST: Final = guests.FOLDER / "python" / "src" / "wisp_guest"
SERVICE: Final = guests.Service(guests.WIT_0_2, "wisp:guest/answering-service")
UNANSWERING: Final = guests.Service(guests.WIT_0_2, "wisp:guest/unanswering")
IGNORED: Final = ("tests", "test_*.py", "conftest.py", "uv.lock")

ENTRY: Final = """\
import importlib

_module = importlib.import_module({module!r})

from wisp_guest import _entry

{exports}
_entry.settle({folders!r}, {late!r})
"""

HTTP_EXPORT: Final = "IncomingHandler = _entry.handler_class(_module)"
CALLED_EXPORTS: Final = {
    "wisp:cron/handler": "Handler = _entry.run_class(_module)",
    "wisp:messaging/consumer": "Consumer = _entry.taker_class(_module)",
}

LIBRARY_ENTRY: Final = """\
import importlib

_module = importlib.import_module({module!r})

from wisp_guest import _late

globals().update({{name: value for name, value in vars(_module).items() if not name.startswith("_")}})
_late.settle({late!r})
"""


class PythonBuilder:
    """Builds Python projects."""

    language = "python"

    def detect(self, folder: Path) -> bool:
        """Whether the folder is a Python project."""
        return any((folder / name).is_file() for name in ("app.py", "pyproject.toml", "requirements.txt"))

    def tools(self, folder: Path | None) -> Sequence[Tool]:
        """Return uv, which brings everything else."""
        from uv import find_uv_bin  # noqa: PLC0415 - only `wisp doctor` asks

        try:
            found = process.version(Path(find_uv_bin()))
        except FileNotFoundError:
            found = None
        return (
            Tool("uv", "comes with wisp", found, "install wisp again: `pip install wisp`", found is not None),
        )

    def inputs(self, folder: Path) -> Sequence[Path]:
        """Return the project's files: data counts, because it may be read while the project is imported."""
        return inputs.source_files(folder, ignored=(*IGNORED, *bindings.ignored(folder)))

    def fingerprint(self, folder: Path) -> str:
        """Return the versions of componentize-py and of what wisp adds."""
        ours = guests.digest(GUEST, guests.WIT_0_2, guests.CAPABILITIES)
        return f"{VERSION} {ours} {guests.extension()}"

    def build(self, request: BuildRequest, report: Report) -> Sequence[Pin]:
        """Build a project."""
        project = PythonProject.read(request.folder)
        files = self.inputs(request.folder)
        dependencies = python_dependencies.install(project, request, report)
        folders = _stage(project, files, request.work)
        if dependencies is not None:
            folders.insert(-2, dependencies.folder)
        world = _world(project, files, request.work / "wit")
        _componentize(project, world, folders, request, report)
        if request.release:
            _merge(request, report)
        return () if dependencies is None else dependencies.pins


def _stage(project: PythonProject, files: Sequence[Path], work: Path) -> list[Path]:
    """Lay out what is imported from, and return the folders in the order in which they are searched."""
    for name in ("sources", "guest", "entry", "nothing"):
        shutil.rmtree(work / name, ignore_errors=True)
        (work / name).mkdir()
    for path in files:
        target = work / "sources" / path.relative_to(project.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    shutil.copytree(GUEST, work / "guest" / "wisp_guest", ignore=shutil.ignore_patterns("__pycache__"))
    # componentize-py mounts the n-th folder as /n.
    mounts = [f"/{number}" for number in range(len(project.roots))]
    late = late_imports(project, files)
    template = LIBRARY_ENTRY if project.world is not None and project.world.is_library else ENTRY
    exported, is_service = python_capabilities.exports(files)
    exports = [*([HTTP_EXPORT] if is_service else []), *(CALLED_EXPORTS[one] for one in exported)]
    entry = template.format(module=project.module, exports="\n".join(exports), folders=mounts, late=late)
    (work / "entry" / "wisp_entry.py").write_text(entry, encoding="utf-8")
    return [*(work / "sources" / root for root in project.roots), work / "guest", work / "entry"]


def _componentize(
    project: PythonProject,
    world: tuple[Path, str],
    folders: Sequence[Path],
    request: BuildRequest,
    report: Report,
) -> None:
    report(f"{request.component}: componentize-py {VERSION} (fetched at its first use)")
    paths = [argument for folder in folders for argument in ("--python-path", str(folder))]
    wit, name = world
    command = process.uv_tool(
        REQUIREMENT,
        *("componentize-py", "--quiet", "--wit-path", str(wit), "--world", name),
        *("componentize", "wisp_entry", *paths, "--output", str(request.output)),
    )
    environment = process.tool_environment(VIRTUAL_ENV=str(request.work / "nothing"))
    output = process.run_fetched(command, folder=request.work, environment=environment)
    if output.code != 0:
        raise python_errors.explain(output.text, project, request.component)


def _world(project: PythonProject, files: Sequence[Path], target: Path) -> tuple[Path, str]:
    """Return the folder with the WIT, and the world: what the component imports and exports."""
    own, imports = project.world, python_capabilities.imports(files)
    exports, is_service = python_capabilities.exports(files)
    if own is not None and own.is_library:
        # componentize-py merges worlds by itself, but not those with resources.
        return worlds.stage_library(own, target, imports=imports) if imports else (own.path, own.name)
    if own is not None or imports or exports:
        service = SERVICE if is_service else UNANSWERING
        return worlds.stage_service(own, target, service=service, imports=imports, exports=exports)
    return SERVICE.wit, SERVICE.world


def _merge(request: BuildRequest, report: Report) -> None:
    """Make one module of the component's many: then an instance of it starts twenty times as fast."""
    from wisp import native  # noqa: PLC0415 - not needed when nothing is built

    report(f"{request.component}: merging its modules")
    try:
        merged = native.merge(request.output.read_bytes())
    except ComponentError as error:
        report(f"{request.component}: its modules stay apart: {error.message}")
        return
    except OSError as error:
        message = "componentize-py made no component"
        raise BuildError(message, component=request.component) from error
    request.output.write_bytes(merged)


BUILDER: Final = PythonBuilder()
