"""Python: the modules of componentize-py, for editors and type checkers, and a module with a class for each export."""

from __future__ import annotations

import ast
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wisp.build import bindings, process
from wisp.build.python import REQUIREMENT
from wisp.build.python_project import MODULE
from wisp.build.setup.files import Plan
from wisp.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wisp.build.worlds import World

SETTINGS: Final = f"""\
[tool.wisp]
world = "{{world}}"

# What `wisp build` makes of the folder wit, for type checkers and editors.
[tool.mypy]
mypy_path = ["{bindings.FOLDER}"]

[tool.pyright]
extraPaths = ["{bindings.FOLDER}"]
"""

SERVICE: Final = """\
\"\"\"A service that imports what the world `{world}` does.\"\"\"

from wisp_guest.http import Problem, Request, Response, serve
{imports}

@serve
def handle(request: Request) -> Response:
    raise Problem(501, "not implemented")
"""

_EXPORTS: Final = "wit_world/exports/__init__.py"
_WORLD: Final = "wit_world/__init__.py"
_METHODS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


def plan(folder: Path, world: World, _language: str) -> Plan:
    """Say what a project in Python needs for its world."""
    made = _generate(world)
    name = world.name.partition("@")[0].rpartition("/")[2]
    file = f"{MODULE}.py"
    begun = _library(world, made) if world.is_library else {file: _service(world, made)}
    files = ", ".join(begun)
    begun["pyproject.toml"] = SETTINGS.format(world=name)
    if (folder / "pyproject.toml").is_file() and "module" in (folder / "pyproject.toml").read_text("utf-8"):
        del begun[file]
    return Plan(
        generated={f"{bindings.FOLDER}/{path}": text for path, text in made.items()},
        begun=begun,
        next=(f"fill in the methods in {files}" if world.is_library else f"serve requests in {file}",),
    )


def _generate(world: World) -> Mapping[str, str]:
    with tempfile.TemporaryDirectory() as temporary:
        target = Path(temporary, "made")
        options = ("--quiet", "--wit-path", str(world.path), "--world", world.name)
        command = process.uv_tool(REQUIREMENT, "componentize-py", *options, "bindings", str(target))
        output = process.run_fetched(command, folder=Path(temporary), environment=process.tool_environment())
        if output.code != 0:
            message = "componentize-py cannot make bindings for this world"
            raise BuildError(message, file=world.path, output=output.text)
        files = (path for path in sorted(target.rglob("*.py*")) if path.suffix in {".py", ".pyi"})
        return {path.relative_to(target).as_posix(): path.read_text(encoding="utf-8") for path in files}


def _service(world: World, made: Mapping[str, str]) -> str:
    names = sorted(Path(name).stem for name in made if name.startswith("wit_world/imports/"))
    known = ", ".join(name for name in names if name != "__init__")
    imports = f"\n# Imports of other components: from wit_world.imports import {known}\n" if known else ""
    return SERVICE.format(world=world.name, imports=imports)


def _library(world: World, made: Mapping[str, str]) -> dict[str, str]:
    """Return the modules to begin with: the classes of a resource lie where componentize-py looks for them."""
    title = f"What the world `{world.name}` exports."
    classes = _classes(made.get(_EXPORTS, ""), "exports.{name}")
    free = _classes(made.get(_WORLD, ""), "wit_world.{name}")
    modules = {f"{MODULE}.py": _module(title, [*classes, *free], [made.get(_EXPORTS, ""), made[_WORLD]])}
    for file, text in made.items():
        stem = Path(file).stem
        resources = list(_classes(text, f"{stem}.{{name}}")) if file.startswith("wit_world/exports/") else []
        if resources and file != _EXPORTS:
            own = f"from ..exports import {stem}\n"
            modules[f"{stem}.py"] = _module(f"The resources of `{stem}`.", resources, [text, own])
    return modules


def _module(title: str, classes: Sequence[str], sources: Iterable[str]) -> str:
    """Write a module with these classes, and the imports of the modules that they come from, as far as they need them."""
    body = "\n\n\n".join(classes)
    names = {name: module for text in sources for name, module in _imports(text)} | {"exports": "wit_world"}
    modules: dict[str, list[str]] = {}
    for name in sorted(names):
        if re.search(rf"(?<!\.)\b{name}\b", body):
            modules.setdefault(names[name], []).append(name)
    lines = [f"from {module} import {', '.join(used)}" for module, used in sorted(modules.items())]
    lines = [*(["import wit_world"] if "(wit_world.WitWorld)" in body else []), *lines]
    return f'"""{title}"""\n\n' + "\n".join(lines) + f"\n\n\n{body}\n"


def _classes(text: str, base: str) -> Iterator[str]:
    """Write a class for each protocol of a module, with its methods."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and any(ast.unparse(each) == "Protocol" for each in node.bases):
            methods = [_method(each) for each in node.body if isinstance(each, _METHODS)]
            if methods:
                yield f"class {node.name}({base.format(name=node.name)}):\n" + "\n\n".join(methods)


def _method(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    said = ast.get_docstring(function)
    function.decorator_list = [
        each for each in function.decorator_list if ast.unparse(each) != "abstractmethod"
    ]
    function.body = [ast.Pass()]
    head = ast.unparse(function).removesuffix("\n    pass")
    lines = [
        head,
        *([f'    """{" ".join(said.split())}"""'] if said else []),
        "    raise NotImplementedError",
    ]
    return "\n".join(f"    {line}" for line in "\n".join(lines).splitlines())


def _imports(text: str) -> Iterator[tuple[str, str]]:
    """Return each name that a module imports, with the module that it comes from, as one outside would write it."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and node.module not in {"abc", "types", "enum", "dataclasses"}:
            module = f"wit_world.{node.module}" if node.level else str(node.module)
            yield from ((alias.name, module) for alias in node.names)
