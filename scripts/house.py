"""Checks the rules of this house that no other tool knows. `make check` runs it.

- A file has at most 500 lines, a function of Python at most 40 (without its docstring).
- PyO3 is a dependency of `crates/python` only.
- Only `wisp.native` names the extension module, only `wisp.host` the worker.
- All distributions and crates have one version.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES = 500
FUNCTION_LINES = 40
GENERATED = re.compile(r"(^|/)(generated|vendor|bindings)/|_gen\.go$|^wit/|wisp_proxy\.[ch]$")


def main() -> int:
    """Print every breach, and fail when there is one."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    files = [Path(name) for name in tracked if (ROOT / name).is_file() and not GENERATED.search(name)]
    breaches = [*sizes(files), *interpreters(), *doors(files), *versions()]
    for breach in breaches:
        print(breach)
    print(f"house rules: {len(files)} files, {len(breaches)} breaches")
    return 1 if breaches else 0


def sizes(files: Iterable[Path]) -> Iterator[str]:
    """Find files and functions that have grown too long."""
    for path in files:
        if path.suffix not in {".py", ".pyi", ".rs"}:
            continue
        text = (ROOT / path).read_text(encoding="utf-8")
        if (count := text.count("\n")) > FILE_LINES:
            yield f"{path}: {count} lines, {FILE_LINES} are allowed"
        if path.suffix == ".py" and "templates" not in path.parts:
            yield from _long_functions(path, text)


def interpreters() -> Iterator[str]:
    """Find crates other than the seam that depend on PyO3."""
    for manifest in ROOT.glob("crates/*/Cargo.toml"):
        data = tomllib.loads(manifest.read_text(encoding="utf-8"))
        tables = [data.get(name, {}) for name in ("dependencies", "dev-dependencies", "build-dependencies")]
        if manifest.parent.name != "python" and any("pyo3" in name for table in tables for name in table):
            yield f"{manifest.relative_to(ROOT)}: PyO3 belongs to crates/python only"


def doors(files: Iterable[Path]) -> Iterator[str]:
    """Find modules that reach past a door: the extension module's, or the worker's."""
    for path in files:
        if path.suffix != ".py" or path.parts[:2] != ("src", "wisp"):
            continue
        package = path.parts[2]
        text = (ROOT / path).read_text(encoding="utf-8")
        if package != "native" and re.search(
            r"^\s*(from wisp import .*\b_core\b|.*import.*wisp\._core)", text, re.MULTILINE
        ):
            yield f"{path}: only wisp.native touches the extension module"
        if package not in {"host", "cli"} and '"wisp-worker"' in text:
            yield f"{path}: only wisp.host starts the worker"


def versions() -> Iterator[str]:
    """Find distributions whose version is not that of the crates."""
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]
    crates = workspace["package"]["version"]
    for name, requirement in workspace["dependencies"].items():
        if "path" in requirement and requirement.get("version") != f"={crates}":
            yield f"Cargo.toml: {name} is required at another version than ={crates}"
    for name in ("pyproject.toml", "crates/worker/pyproject.toml", "guest/python/pyproject.toml"):
        project = tomllib.loads((ROOT / name).read_text(encoding="utf-8"))["project"]
        if project["version"] != crates:
            yield f"{name}: version {project['version']}, the crates have {crates}"
        for requirement in project.get("dependencies", []):
            if requirement.startswith("wisp-") and requirement != f"wisp-worker=={crates}":
                yield f"{name}: {requirement} is not the same version, {crates}"
    facade = (ROOT / "src/wisp/__init__.py").read_text(encoding="utf-8")
    if f'__version__ = "{crates}"' not in facade:
        yield f"src/wisp/__init__.py: __version__ is not {crates}"


def _long_functions(path: Path, text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
        count = (node.end_lineno or 0) - first.lineno + 1
        if count > FUNCTION_LINES:
            yield f"{path}:{node.lineno}: {node.name} has {count} lines, {FUNCTION_LINES} are allowed"


if __name__ == "__main__":
    sys.exit(main())
