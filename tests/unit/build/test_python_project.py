from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wisp.build.python_project import PythonProject, late_imports, normal
from wisp.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path


def make(folder: Path, pyproject: str | None = None, **files: str) -> Path:
    if pyproject is not None:
        (folder / "pyproject.toml").write_text(pyproject, encoding="utf-8")
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path.with_suffix(".py") if "." not in path.name else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_a_project_may_be_one_file(tmp_path: Path) -> None:
    project = PythonProject.read(make(tmp_path, app=""))

    assert (project.module, project.roots, project.requirements) == ("app", (".",), ())
    assert project.requirements_file is None


def test_pyproject_names_module_dependencies_and_fallbacks(tmp_path: Path) -> None:
    text = """
[project]
name = "x"
dependencies = ["jinja2>=3"]
[tool.wisp]
module = "pkg.main"
pure-fallback = ["Some.Thing"]
"""
    (tmp_path / "requirements.txt").write_text("flask\n", encoding="utf-8")

    project = PythonProject.read(make(tmp_path, text, src__pkg__main=""))

    assert (project.module, project.roots) == ("pkg.main", (".", "src"))
    assert project.requirements == ("jinja2>=3",)
    assert project.requirements_file is None
    assert project.fallbacks == {"some-thing"}


def test_requirements_txt_counts_when_pyproject_declares_nothing(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("flask\n", encoding="utf-8")

    project = PythonProject.read(make(tmp_path, '[project]\nname = "x"\n', app=""))

    assert project.requirements_file == tmp_path / "requirements.txt"


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("[project\n", "not TOML", 1),
        ('[project]\ndependencies = "jinja2"\n', "`dependencies` is a list of strings", None),
        ('[tool.wisp]\nmodul = "x"\n', "no key `modul`", None),
        ('[tool.wisp]\nmodule = "no module"\n', "name of a module", None),
        ("[tool.wisp]\nmodule = 7\n", "name of a module", None),
        ('[tool.wisp]\nmodule = "absent"\n', "no module `absent`", None),
    ],
)
def test_what_is_wrong_with_pyproject_is_said(
    tmp_path: Path, text: str, message: str, line: int | None
) -> None:
    with pytest.raises(BuildError, match=message) as caught:
        PythonProject.read(make(tmp_path, text, app=""))

    assert caught.value.line == line


def test_a_project_without_its_module_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"no module `app`: there is no app\.py") as caught:
        PythonProject.read(tmp_path)

    assert caught.value.hint is not None
    assert "[tool.wisp] module" in caught.value.hint


def test_imports_inside_of_functions_are_found(tmp_path: Path) -> None:
    code = """
import os
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import never

def f():
    import json.decoder
    from . import sibling
    from ..up import name
    from statistics import mean

class C:
    async def g(self):
        from encodings import *
"""
    make(tmp_path, app="", src__a__b__c=code, src__broken="def (:", data__x="")
    project = PythonProject.read(tmp_path)

    found = late_imports(project, sorted(tmp_path.rglob("*.py")))

    assert found == {
        "/1/a/b/c.py": [
            *("json.decoder", "a.b", "a.b.sibling", "a.up", "a.up.name"),
            *("statistics", "statistics.mean", "encodings"),
        ]
    }


def test_names_of_distributions_are_compared_as_the_index_does() -> None:
    assert normal("Some_Thing.more--x") == "some-thing-more-x"
