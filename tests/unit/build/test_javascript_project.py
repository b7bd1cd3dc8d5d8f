from __future__ import annotations

import json
from pathlib import Path

import pytest

from wisp.build import guests
from wisp.build.javascript import JavaScriptProject
from wisp.errors import BuildError


def make(folder: Path, package: object = None, *names: str) -> Path:
    if package is not None:
        text = package if isinstance(package, str) else json.dumps(package)
        (folder / "package.json").write_text(text, encoding="utf-8")
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("package", "names", "entry"),
    [
        (None, ["app.js"], "app.js"),
        (None, ["index.ts", "src/app.js"], "index.ts"),
        ({}, ["src/main.mts"], "src/main.mts"),
        ({"main": "lib/x.js"}, ["lib/x.js", "app.js"], "lib/x.js"),
        ({"main": "built/x.js"}, ["app.ts"], "app.ts"),
        ({"main": "app.js", "wisp": {"entry": "y.js"}}, ["app.js", "y.js"], "y.js"),
    ],
)
def test_the_entry_module_is_found(tmp_path: Path, package: object, names: list[str], entry: str) -> None:
    assert JavaScriptProject.read(make(tmp_path, package, *names)).entry == entry


def test_the_engine_is_quickjs_unless_asked(tmp_path: Path) -> None:
    assert JavaScriptProject.read(make(tmp_path, None, "app.js")).engine.name == "quickjs"

    package = {"wisp": {"engine": "spidermonkey"}}

    assert JavaScriptProject.read(make(tmp_path, package)).engine.name == "spidermonkey"


def test_the_guest_library_is_no_dependency_to_install(tmp_path: Path) -> None:
    assert not JavaScriptProject.read(
        make(tmp_path, {"dependencies": {"wisp-guest": "*"}}, "app.js")
    ).has_dependencies
    assert JavaScriptProject.read(
        make(tmp_path, {"dependencies": {"ms": "2.1.3"}}, "app.js")
    ).has_dependencies


@pytest.mark.parametrize(
    ("package", "message", "line"),
    [
        ('{\n"main": }', "not JSON", 2),
        ({"wisp": {"engine": "v8"}}, "no engine `v8`", None),
        ({"wisp": {"enginee": "quickjs"}}, "`wisp` is an object with the keys engine, entry and world", None),
        ({"wisp": "quickjs"}, "`wisp` is an object", None),
        ({"wisp": {"entry": "absent.js"}}, "does not exist: absent.js", None),
    ],
)
def test_what_is_wrong_with_package_json_is_said(
    tmp_path: Path, package: object, message: str, line: int | None
) -> None:
    with pytest.raises(BuildError, match=message) as caught:
        JavaScriptProject.read(make(tmp_path, package, "app.js"))

    assert (caught.value.file, caught.value.line) == (tmp_path / "package.json", line)


def test_a_project_without_an_entry_module_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no module that serves"):
        JavaScriptProject.read(make(tmp_path, {}))


def test_the_typescript_template_has_the_types_of_the_guest_library() -> None:
    template = Path(guests.__file__).parents[1] / "templates" / "typescript" / "wisp-guest.d.ts"

    assert template.read_bytes() == (guests.FOLDER / "js" / "types" / "wisp-guest.d.ts").read_bytes()
