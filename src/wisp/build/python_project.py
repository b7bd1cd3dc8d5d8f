"""What a Python project says of itself: its entry module, its dependencies, what it imports late."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wisp.build import worlds
from wisp.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from wisp.build.worlds import World

MODULE: Final = "app"
_KEYS: Final = frozenset({"module", "pure-fallback", "world"})
_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_LINE: Final = re.compile(r"at line (\d+)")


@dataclass(frozen=True, slots=True)
class PythonProject:
    """A folder with Python sources."""

    folder: Path
    module: str
    """The module that serves, as it is imported."""

    roots: tuple[str, ...]
    """The folders that modules are imported from, from the project's own: `.`, and `src` where there is one."""

    requirements: tuple[str, ...]
    """The dependencies that `pyproject.toml` declares."""

    requirements_file: Path | None
    """`requirements.txt`, when there is one and `pyproject.toml` declares nothing."""

    fallbacks: frozenset[str]
    """Distributions whose compiled part the project does without."""

    world: World | None
    """The world of its own, if it has one."""

    @classmethod
    def read(cls, folder: Path) -> PythonProject:
        """Read a project.

        Raises:
            BuildError: its `pyproject.toml` is wrong, or there is no entry module.

        """
        path = folder / "pyproject.toml"
        document = _document(path)
        settings = _settings(path, document)
        roots = (".", "src") if (folder / "src").is_dir() else (".",)
        declared = _strings(path, document.get("project", {}), "dependencies")
        listed = folder / "requirements.txt"
        module = _module(folder, roots, settings.get("module"))
        return cls(
            folder=folder,
            module=module,
            roots=roots,
            requirements=declared,
            requirements_file=listed if not declared and listed.is_file() else None,
            fallbacks=frozenset(normal(name) for name in _strings(path, settings, "pure-fallback")),
            world=worlds.find(folder, named=_world(path, settings.get("world"))),
        )


def normal(name: str) -> str:
    """Return a distribution's name as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _document(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        line = _LINE.search(str(error))
        message = f"pyproject.toml is not TOML: {error}"
        raise BuildError(message, file=path, line=int(line[1]) if line else None) from error


def _settings(path: Path, document: Mapping[str, object]) -> Mapping[str, object]:
    tools = document.get("tool", {})
    settings = tools.get("wisp", {}) if isinstance(tools, Mapping) else {}
    unknown = sorted(set(settings) - _KEYS)
    if unknown:
        message = f"pyproject.toml: [tool.wisp] has no key `{unknown[0]}`"
        raise BuildError(message, file=path, hint=f"it has {', '.join(sorted(_KEYS))}")
    return dict(settings)


def _strings(path: Path, table: object, key: str) -> tuple[str, ...]:
    values = table.get(key, []) if isinstance(table, Mapping) else []
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return tuple(values)
    message = f"pyproject.toml: `{key}` is a list of strings"
    raise BuildError(message, file=path)


def _world(path: Path, given: object) -> str | None:
    if given is None or isinstance(given, str):
        return given
    message = f"pyproject.toml: [tool.wisp] world is the name of a world, not `{given}`"
    raise BuildError(message, file=path)


def _module(folder: Path, roots: tuple[str, ...], given: object) -> str:
    name = MODULE if given is None else given
    if not isinstance(name, str) or not _DOTTED.fullmatch(name):
        message = f"pyproject.toml: [tool.wisp] module is the name of a module, not `{name}`"
        raise BuildError(message, file=folder / "pyproject.toml")
    stem = name.replace(".", "/")
    candidates = [folder / root / f"{stem}{end}" for root in roots for end in (".py", "/__init__.py")]
    if any(path.is_file() for path in candidates):
        return name
    message = f"the project has no module `{name}`: there is no {stem}.py"
    hint = (
        f'name the module that serves: [tool.wisp] module = "..." in pyproject.toml, or call it {MODULE}.py'
    )
    raise BuildError(message, file=folder, hint=hint)


def late_imports(project: PythonProject, files: Iterable[Path]) -> dict[str, list[str]]:
    """Return the modules that source files import inside of functions, by the file's name inside the component.

    Inside a component there are no files, so what is not imported when it is built can never be imported.
    """
    found: dict[str, list[str]] = {}
    for path in files:
        if path.suffix != ".py":
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, RecursionError):
            continue  # The guest's own Python, which may be a newer one, is the judge of it.
        mount, file = _mounted(project, path)
        if names := list(dict.fromkeys(_inside_functions(tree, file.split("/")[:-1]))):
            found[f"/{mount}/{file}"] = names
    return found


def _mounted(project: PythonProject, path: Path) -> tuple[int, str]:
    """Return which root a file is imported from, the deepest, and its name there."""
    name = path.relative_to(project.folder).as_posix()
    if len(project.roots) > 1 and name.startswith(f"{project.roots[1]}/"):
        return 1, name.removeprefix(f"{project.roots[1]}/")
    return 0, name


def _inside_functions(tree: ast.AST, package: list[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for inner in ast.walk(node):
                yield from _imported(inner, package)


def _imported(node: ast.AST, package: list[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        if base:
            yield base
        yield from (
            f"{base}.{alias.name}" if base else alias.name for alias in node.names if alias.name != "*"
        )
