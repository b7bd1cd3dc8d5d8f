"""JavaScript and TypeScript: bundled into one module, which an engine evaluates at build time and keeps a snapshot of.

QuickJS is the default: small, quick to start, WASI 0.3. SpiderMonkey brings web APIs and a component eight times the size,
for WASI 0.2; a project asks for it in `package.json`: `{"wisp": {"engine": "spidermonkey"}}`.

The tools of an engine come from npm at their first use, by a lock file that wisp ships, into the cache. The project's own
dependencies come by its own lock file into the work folder; neither runs install scripts.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wisp.build import guests, inputs, javascript_tools, process, worlds
from wisp.errors import BuildError, ToolchainError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wisp.build.builder import BuildRequest, Pin, Report, Tool
    from wisp.build.worlds import World

LIBRARY: Final = guests.FOLDER / "js" / "src"
ENTRIES: Final = tuple(
    f"{folder}{stem}.{end}"
    for folder in ("", "src/")
    for stem in ("app", "index", "main")
    for end in ("js", "mjs", "ts", "mts")
)
"""Where the module that serves is looked for, when `package.json` does not say."""

IGNORED: Final = ("tests", "test", "*.test.*", "*.spec.*", "*.d.ts")


@dataclass(frozen=True, slots=True)
class Engine:
    """One JavaScript engine that can be inside of a component."""

    name: str
    glue: str
    """The version of WASI, as the guest library's files have it in their names."""

    service: guests.Service
    export: str


ENGINES: Final = {
    "quickjs": Engine("quickjs", "0.3", guests.Service(guests.WIT_0_3), "handler"),
    "spidermonkey": Engine(
        "spidermonkey",
        "0.2",
        guests.Service(guests.WIT_0_2, "wisp:guest/javascript-service"),
        "incomingHandler",
    ),
}

LIBRARY_ENTRY: Final = """\
export * from {module};
"""

ENTRY: Final = """\
import "wisp-guest/platform";
import {module};
import {{ requireHandler }} from "wisp-guest/serve";
requireHandler();
export {{ {export} }} from "wisp-guest/wasi";
"""


@dataclass(frozen=True, slots=True)
class JavaScriptProject:
    """A folder with JavaScript or TypeScript sources."""

    folder: Path
    entry: str
    engine: Engine
    has_dependencies: bool
    world: World | None
    """The world of its own, if it has one."""

    @classmethod
    def read(cls, folder: Path) -> JavaScriptProject:
        """Read a project.

        Raises:
            BuildError: its `package.json` is wrong, or there is no entry module.

        """
        package = _package(folder)
        settings = _settings(folder, package)
        engine = settings.get("engine", "quickjs")
        if engine not in ENGINES:
            message = f"package.json: there is no engine `{engine}`"
            raise BuildError(message, file=folder / "package.json", hint=f"it is one of {', '.join(ENGINES)}")
        dependencies = package.get("dependencies", {})
        named = set(dependencies) - {"wisp-guest"} if isinstance(dependencies, dict) else set()
        entry = _entry(folder, settings.get("entry"), package.get("main"))
        world = worlds.find(folder, named=str(settings["world"]) if "world" in settings else None)
        return cls(folder, entry, ENGINES[str(engine)], bool(named), world)


def _package(folder: Path) -> Mapping[str, object]:
    path = folder / "package.json"
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except json.JSONDecodeError as error:
        message = f"package.json is not JSON: {error.msg}"
        raise BuildError(message, file=path, line=error.lineno) from error
    except UnicodeDecodeError as error:
        message = "package.json is not UTF-8"
        raise BuildError(message, file=path) from error
    return document if isinstance(document, dict) else {}


def _settings(folder: Path, package: Mapping[str, object]) -> Mapping[str, object]:
    settings = package.get("wisp", {})
    known = {"engine", "entry", "world"}
    if isinstance(settings, dict) and not set(settings) - known:
        return settings
    message = "package.json: `wisp` is an object with the keys engine, entry and world, or some of them"
    raise BuildError(message, file=folder / "package.json")


def _entry(folder: Path, named: object, main: object) -> str:
    if named is not None:
        if isinstance(named, str) and (folder / named).is_file():
            return named
        message = f"package.json: the file of wisp.entry does not exist: {named}"
        raise BuildError(message, file=folder / "package.json")
    candidates: tuple[str, ...] = (main, *ENTRIES) if isinstance(main, str) else ENTRIES
    found = next((name for name in candidates if (folder / name).is_file()), None)
    if found is None:
        message = "the project has no module that serves: no app.js, app.ts, index.js, src/app.js or the like"
        raise BuildError(message, file=folder, hint='name it in package.json: {"wisp": {"entry": "..."}}')
    return found


class JavaScriptBuilder:
    """Builds JavaScript and TypeScript projects."""

    language = "javascript"

    def detect(self, folder: Path) -> bool:
        """Whether the folder is a JavaScript or TypeScript project."""
        return any((folder / name).is_file() for name in ("package.json", *ENTRIES))

    def tools(self, folder: Path | None) -> Sequence[Tool]:
        """Return node and npm; everything else comes by them."""
        return javascript_tools.needed()

    def inputs(self, folder: Path) -> Sequence[Path]:
        """Return the project's files."""
        return inputs.source_files(folder, ignored=IGNORED)

    def fingerprint(self, folder: Path) -> str:
        """Return the versions of the tools and of what wisp adds."""
        return guests.digest(guests.FOLDER / "js", guests.WIT_0_2, guests.WIT_0_3)

    def build(self, request: BuildRequest, report: Report) -> Sequence[Pin]:
        """Build a project."""
        project = JavaScriptProject.read(request.folder)
        javascript_tools.require(request.component)
        tools = javascript_tools.install(project.engine.name, request.component, report)
        sources = _stage(project, self.inputs(request.folder), request)
        if project.has_dependencies:
            _install_dependencies(project, request, report)
        report(f"{request.component}: bundling, then {project.engine.name}")
        _componentize(project, sources, tools, request)
        return ()


def _stage(project: JavaScriptProject, files: Sequence[Path], request: BuildRequest) -> Path:
    """Lay out the sources in the work folder, beside the dependencies that are installed there."""
    sources = request.work / "sources"
    shutil.rmtree(sources, ignore_errors=True)
    for path in files:
        target = sources / path.relative_to(project.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return sources


def _install_dependencies(project: JavaScriptProject, request: BuildRequest, report: Report) -> None:
    """Install what the project's own lock file says, above the staged sources, unless it is there already."""
    lock = project.folder / "package-lock.json"
    if not lock.is_file():
        message = "package.json declares dependencies, but there is no package-lock.json that pins them"
        hint = "run `npm install` in the project, and keep package-lock.json in version control"
        raise BuildError(
            message, component=request.component, file=project.folder / "package.json", hint=hint
        )
    installed = request.work / "package-lock.json"
    if installed.is_file() and installed.read_bytes() == lock.read_bytes():
        return
    report(f"{request.component}: npm ci")
    installed.unlink(missing_ok=True)
    shutil.copyfile(project.folder / "package.json", request.work / "package.json")
    shutil.copyfile(lock, request.work / "locked.json")
    npm = javascript_tools.npm("ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund")
    (request.work / "locked.json").rename(installed)
    output = process.run(npm, folder=request.work)
    if output.code != 0:
        installed.unlink(missing_ok=True)
        message = f"the dependencies cannot be installed: {javascript_tools.npm_error(output.text)}"
        raise BuildError(message, component=request.component, file=lock, output=output.text)


def _componentize(project: JavaScriptProject, sources: Path, tools: Path, request: BuildRequest) -> None:
    entry, job = request.work / "entry.mjs", request.work / "job.json"
    engine = project.engine
    template = LIBRARY_ENTRY if project.world is not None and project.world.is_library else ENTRY
    text = template.format(module=json.dumps(str(sources / project.entry)), export=engine.export)
    entry.write_text(text, encoding="utf-8")
    job.write_text(json.dumps(_job(project, entry, sources, request)), encoding="utf-8")
    output = process.run([str(javascript_tools.node()), "build.mjs", str(job)], folder=tools)
    answer = _answer(output.stdout)
    if answer is None or output.code != 0:
        message = "the tools of JavaScript failed"
        raise ToolchainError(
            message, component=request.component, tool="node", hint=output.text[-2000:] or None
        )
    if error := answer.get("error"):
        raise _failure(error, sources, project.folder, request.component)


def _world(project: JavaScriptProject, target: Path) -> tuple[Path, str]:
    """Return the folder with the WIT, and the world: what the component imports and exports."""
    engine, own = project.engine, project.world
    if own is None:
        return engine.service.wit, engine.service.world
    return (
        (own.path, own.name) if own.is_library else worlds.stage_service(own, target, service=engine.service)
    )


def _job(project: JavaScriptProject, entry: Path, sources: Path, request: BuildRequest) -> dict[str, object]:
    engine, own = project.engine, project.world
    path, name = _world(project, request.work / "wit")
    return {
        "entry": str(entry),
        "folder": str(sources),
        "aliases": {
            "wisp-guest/platform": str(LIBRARY / f"platform-{engine.glue}.js"),
            "wisp-guest/serve": str(LIBRARY / "serve.js"),
            "wisp-guest/wasi": str(LIBRARY / f"wasi-{engine.glue}.js"),
            "wisp-guest": str(LIBRARY / "index.js"),
        },
        "engine": engine.name,
        "external": ["wasi:", *(f"{package}/" for package in (own.packages if own else ()))],
        "wit": str(path),
        "world": name,
        "output": str(request.output),
    }


def _answer(stdout: str) -> dict[str, dict[str, object]] | None:
    try:
        answer = json.loads(stdout.strip().rpartition("\n")[2])
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _failure(error: Mapping[str, object], sources: Path, folder: Path, component: str) -> BuildError:
    """Return the error for what the tools said, with the project's own file names."""
    place, line, message = error.get("file"), error.get("line"), str(error.get("message", "the build failed"))
    file = Path(str(place)) if place else None
    if file is not None:
        file = folder / file.relative_to(sources) if file.is_relative_to(sources) else None
    missing = re.search(r"Could not resolve '([^']+)'", message)
    hint = None
    if missing is not None and not missing[1].startswith((".", "/")):
        hint = f"add it to package.json: `npm install {missing[1]}`"
    return BuildError(
        message.replace(str(sources), "."),
        component=component,
        file=file,
        line=line if isinstance(line, int) and file is not None else None,
        hint=hint,
        output=str(error.get("text") or "").replace(f"{sources}/", "") or None,
    )


BUILDER: Final = JavaScriptBuilder()
