"""Go: packages from the world, and a package with a function for each exported interface."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wisp.build import bindings, go_bindings
from wisp.build.go import MODULE, OLDEST
from wisp.build.setup.files import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from wisp.build.worlds import World

MANIFEST: Final = f"""\
module {{module}}

go {".".join(map(str, OLDEST))}

require {MODULE} v0.1.0
"""

LIBRARY: Final = """\
package main

// What the host calls. `wisp build` makes it of the folder wit.
import _ "{module}/bindings/wit_exports"

// main is never called: a component is a library to its host.
func main() {{}}
"""

SERVICE: Final = f"""\
package main

import wisp "{MODULE}"

// What is imported from other components: {{packages}}.

func init() {{{{
	wisp.Serve(handle)
}}}}

// main is never called: a component is a library to its host.
func main() {{{{}}}}

func handle(w *wisp.Response, r *wisp.Request) {{{{
	wisp.Problem(w, 501, "not implemented")
}}}}
"""

_GENERATED: Final = ("wit_bindings.go", "empty.s")
_IMPORT: Final = re.compile(r'^\s*(?:(\w+) )?"([^"]+)"$')
_PARAMETER: Final = re.compile(r"(?<=[(,])( ?)_(\w+)(?= )")
_TAKEN: Final = frozenset(
    {
        *("archive", "bufio", "builtin", "bytes", "cmd", "cmp", "compress", "container", "context", "crypto"),
        *("database", "debug", "embed", "encoding", "errors", "expvar", "flag", "fmt", "go", "hash", "html"),
        *("image", "index", "internal", "io", "iter", "log", "main", "maps", "math", "mime", "net", "os"),
        *("path", "plugin", "reflect", "regexp", "runtime", "slices", "sort", "std", "strconv", "strings"),
        *(
            "structs",
            "sync",
            "syscall",
            "testing",
            "text",
            "time",
            "toolchain",
            "unicode",
            "unique",
            "unsafe",
        ),
        *("vendor", "weak"),
    }
)
_KEYWORDS: Final = frozenset(
    [
        "break",
        "case",
        "chan",
        "const",
        "continue",
        "default",
        "defer",
        "else",
        "fallthrough",
        "for",
        "func",
        "go",
        "goto",
        "if",
        "import",
        "interface",
        "map",
        "package",
        "range",
        "return",
        "select",
        "struct",
        "switch",
        "type",
        "var",
    ]
)


def plan(folder: Path, world: World, _language: str) -> Plan:
    """Say what a project in Go needs for its world."""
    begun: dict[str, str] = {}
    if (folder / "go.mod").is_file():
        module = go_bindings.module(folder)
    else:
        module = _module(folder.resolve().name.lower())
        begun["go.mod"] = MANIFEST.format(module=module)
    generated = dict(go_bindings.generate(world, module))
    own = _implementations(world, module, generated) if world.is_library else {}
    begun |= {"main.go": _main(world, module, generated), **own}
    begun = {name: text for name, text in begun.items() if not _has_sources(folder, name)}
    return Plan(generated=generated, begun=begun, next=tuple(_next(folder, own)))


def _module(word: str) -> str:
    """Return the path of a new module, which may not begin as a package of Go's own does."""
    name = re.sub(r"[^a-z0-9-]", "-", word).strip("-") or "component"
    return f"{name}-component" if name in _TAKEN else name


def _has_sources(folder: Path, name: str) -> bool:
    """Whether the package of a file that we would begin has other files already."""
    path = folder / name
    others = {file for file in path.parent.glob("*.go") if file.name not in _GENERATED} - {path}
    return path.suffix == ".go" and any(not file.name.endswith("_test.go") for file in others)


def _next(folder: Path, own: Iterable[str]) -> Iterator[str]:
    manifest = folder / "go.mod"
    if manifest.is_file() and MODULE not in manifest.read_text(encoding="utf-8"):
        yield f"add to go.mod: require {MODULE} v0.1.0"
    for name in own or ("main.go",):
        yield f"fill in the functions in {name}" if own else f"serve requests in {name}"


def _main(world: World, module: str, generated: Iterable[str]) -> str:
    if world.is_library:
        return LIBRARY.format(module=module)
    packages = sorted({name.rpartition("/")[0] for name in generated if name.startswith(bindings.FOLDER)})
    return SERVICE.format(packages=", ".join(f'"{module}/{package}"' for package in packages))


def _implementations(world: World, module: str, generated: dict[str, str]) -> dict[str, str]:
    """Return the file of each exported interface that a person goes on with."""
    stubs = go_bindings.generate(world, module, stubs=True)
    files: dict[str, str] = {}
    for name, text in stubs.items():
        folder, _, file = name.rpartition("/")
        if folder.startswith("export_") and file == _GENERATED[0]:
            known = set(_declarations(generated.get(name, "")))
            own = [part for part in _declarations(text) if part not in known]
            files[f"{folder}/{folder.removeprefix('export_')}.go"] = _file(folder, text, own)
    return files


def _file(package: str, text: str, own: Iterable[str]) -> str:
    body = "\n\n".join(_PARAMETER.sub(_named, part).replace(")  {", ") {") for part in own)
    imports = []
    for alias, path in _imports(text):
        if re.search(rf"\b{alias or path.rpartition('/')[2]}\.", body):
            imports.append((path, f'\t{alias} "{path}"' if alias else f'\t"{path}"'))
    lines = "\n".join(line for _, line in sorted(imports))
    block = f"import (\n{lines}\n)\n\n" if imports else ""
    head = f"// Package {package} is an export of the component.\npackage {package}\n\n"
    return f"{head}{block}{body}\n"


def _named(match: re.Match[str]) -> str:
    """Give a parameter the name without the underscore that says that nobody uses it."""
    return f"{match[1]}_{match[2]}" if match[2] in _KEYWORDS else f"{match[1]}{match[2]}"


def _imports(text: str) -> Iterator[tuple[str, str]]:
    block = text.partition("import (\n")[2].partition("\n)")[0]
    for line in block.splitlines():
        if match := _IMPORT.match(line):
            yield match[1] or "", match[2]


def _declarations(text: str) -> Iterator[str]:
    """Return the declarations after the imports, each with the comments before it."""
    lines: list[str] = []
    for line in text.partition("import (\n")[2].partition("\n)")[2].splitlines():
        if line or lines:
            lines.append(line)
        starts = line.startswith(("func ", "type ", "var ", "const ")) and not line.endswith(("{", "("))
        if starts or line in {"}", ")"}:
            yield "\n".join(lines)
            lines = []
