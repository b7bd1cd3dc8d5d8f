"""`wisp compose`: writes an app, or several `.wasm` files, as one component."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from wisp import native
from wisp.cli import output
from wisp.cli.assemble import build_app
from wisp.cli.parser import UsageError
from wisp.cli.prepared import PrepareOptions
from wisp.errors import ComponentError, ManifestError
from wisp.manifest.links import compatible
from wisp.registry.cache import Cache
from wisp.wit.agreement import disagreement

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from wisp.cli.assemble import BuiltApp
    from wisp.native import Interfaces


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp compose`."""
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="an app (default: this folder), or .wasm files: the exports of the first, its imports answered by the others",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="where the component is written"
    )
    parser.add_argument("--component", metavar="NAME", help="of an app: the one whose exports are wanted")
    parser.add_argument("--profile", metavar="NAME", help="of an app: apply [profile.NAME] of the manifest")
    parser.add_argument("--locked", action="store_true", help="of an app: fail rather than change wisp.lock")
    parser.add_argument(
        "--inherit",
        action="store_true",
        help="of .wasm files: the others may use all that the first may, instead of being denied it",
    )
    parser.add_argument(
        "--open-imports",
        action="store_true",
        help="of an app: allow imports that nothing answers; whoever runs the component gives them",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Compose, write, and say what came out."""
    paths: list[Path] = arguments.paths or [Path()]
    if _are_files(paths):
        if arguments.component or arguments.profile or arguments.locked or arguments.open_imports:
            raise UsageError(
                "--component, --profile, --locked and --open-imports are for apps, not for .wasm files"
            )
        wasm = _of_files(paths, inherit=arguments.inherit)
    elif len(paths) > 1:
        raise UsageError("name one app, or two or more .wasm files")
    elif arguments.inherit:
        raise UsageError("--inherit is for .wasm files; an app says in its manifest who may use what")
    else:
        wasm = _of_app(paths[0], arguments)
    output.write(arguments.output, wasm)
    _show(arguments, wasm)
    return 0


def _are_files(paths: Sequence[Path]) -> bool:
    return all(path.suffix == ".wasm" for path in paths)


def _of_app(path: Path, arguments: argparse.Namespace) -> bytes:
    options = PrepareOptions(
        profile=arguments.profile,
        locked=arguments.locked,
        open_imports=arguments.open_imports,
        entry=arguments.component,
    )
    progress = output.Progress()
    try:
        app = asyncio.run(build_app(path, options, progress.report))
    finally:
        progress.close()
    name = _entry(app, arguments.component)
    if bridges := app.linked.bridges.get(name):
        interface, link = next(iter(bridges.items()))
        message = f"{name} cannot be written as one component: its link of {interface} to {link.provider} is {link.mode}"
        raise ManifestError(message, hint=f"because {link.reason}", path=app.manifest.path)
    return Cache.open().read(app.linked.digests[name])


def _entry(app: BuiltApp, wanted: str | None) -> str:
    known = app.linked.digests
    if wanted is not None and wanted not in known:
        message = f"{output.short(app.manifest.path)} has no component {wanted}"
        raise ManifestError(
            message, hint=f"it has {', '.join(app.manifest.component)}", path=app.manifest.path
        )
    if wanted is not None or len(known) == 1:
        return wanted or next(iter(known))
    message = f"{output.short(app.manifest.path)} has several components that are run: {', '.join(known)}"
    raise ManifestError(message, hint="say which one is wanted, with --component", path=app.manifest.path)


def _of_files(paths: Sequence[Path], *, inherit: bool) -> bytes:
    if len(paths) < 2:  # noqa: PLR2004 - one file is composed already
        raise UsageError("name two or more .wasm files; the first is the one whose imports are answered")
    names = [path.name for path in paths]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        message = f"there are two files called {repeated}; give one of them another name"
        raise UsageError(message)
    wasm = {path.name: _read(path) for path in paths}
    found = {name: native.interfaces(name, content) for name, content in wasm.items()}
    parts = {
        name: native.Part(content, links=_answers(name, found), trusted=inherit)
        for name, content in wasm.items()
    }
    if unused := _unused(names[0], parts):
        message = f"{unused} answers none of the imports of the others"
        raise ComponentError(message, hint=f"it exports {', '.join(found[unused].exports) or 'nothing'}")
    try:
        return native.compose(names[0], parts)
    except ComponentError as error:
        raise _explained(error, parts) from error


def _explained(error: ComponentError, parts: Mapping[str, native.Part]) -> ComponentError:
    """Say of components that do not fit together where they differ, instead of what the linker said."""
    complaints = [
        complaint
        for name, part in parts.items()
        for interface, provider in part.links.items()
        if (complaint := disagreement((name, part.wasm), interface, (provider, parts[provider].wasm)))
    ]
    return ComponentError("\n".join(complaints)) if complaints else error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ComponentError(message, path=path) from error


def _answers(name: str, found: Mapping[str, Interfaces]) -> dict[str, str]:
    """Return who answers each import of a component, by interface."""
    links = {}
    for interface in found[name].imports:
        exact = [other for other in found if other != name and interface in found[other].exports]
        near = [other for other in found if other != name and _offers(found[other], interface)]
        providers = exact or near
        if len(providers) > 1:
            message = f"{name} imports {interface}, and {' and '.join(providers)} both export it"
            hint = "leave one of them out, or write a wisp.toml whose links say which one is meant"
            raise ComponentError(message, hint=hint, component=name)
        links.update(dict.fromkeys([interface] if providers else [], "".join(providers)))
    return links


def _offers(sides: Interfaces, interface: str) -> bool:
    return any(compatible(interface, export) for export in sides.exports)


def _unused(entry: str, parts: Mapping[str, native.Part]) -> str | None:
    reached = [entry]
    for name in reached:
        reached += [other for other in parts[name].links.values() if other not in reached]
    return next((name for name in parts if name not in reached), None)


def _show(arguments: argparse.Namespace, wasm: bytes) -> None:
    info = native.inspect(wasm)
    if arguments.json:
        document = {
            "path": str(arguments.output),
            "size": len(wasm),
            "imports": info.imports,
            "exports": info.exports,
        }
        print(json.dumps(document, indent=2))
        return
    print(f"{output.short(arguments.output.absolute())}  {output.size(len(wasm))}")
    for word, names in (("exports", info.exports), ("imports", info.imports)):
        print("\n".join([f"  {word}", *(f"    {name}" for name in names or ("nothing",))]))
