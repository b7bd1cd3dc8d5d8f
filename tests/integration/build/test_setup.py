"""`wisp wit init`: what it writes builds as it is, in every language, and it never loses what a person wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import wisp
import wisp.sync
from tests.guests.build import use_rust
from tests.integration.build.projects import build, write
from wisp import native
from wisp.build import languages, setup
from wisp.cli import main
from wisp.errors import BuildError
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Sequence

# The first run of all fetches and compiles tools.
pytestmark = pytest.mark.timeout(900)

SHAPES = Path(__file__).parents[2] / "guests" / "shapes" / "wit"
GREETER = "package a:greeter; interface greet { hello: func(name: string) -> string; }\n"
LIBRARY = "package a:b; world part { import a:greeter/greet; export a:greeter/greet; export twice: func(n: u32) -> u32; }\n"
SERVICE = "package a:b; world part { import a:greeter/greet; }\n"


def project(folder: Path, world: str) -> Path:
    return write(folder / "my-part", wit__own_wit=world, wit__deps__greeter_wit=GREETER)


def init(folder: Path, language: str, *, force: bool = False) -> setup.Outcome:
    return setup.apply(setup.plan(folder, language), folder, force=force)


def built(folder: Path) -> bytes:
    use_rust()
    builder = languages.require(folder, "part")
    return build(builder, folder, Cache.open().folder("work", f"test-setup-{builder.language}"))


@pytest.mark.parametrize("language", setup.LANGUAGES)
def test_a_new_library_builds_as_it_is_and_says_that_nothing_is_implemented(
    language: str, tmp_path: Path
) -> None:
    folder = tmp_path / "shapes"
    shutil.copytree(SHAPES, folder / "wit")

    init(folder, language)
    component = built(folder)

    with wisp.sync.Host() as host:
        loaded = host.load_alone(component)
        with loaded.instantiate(output=False) as instance, pytest.raises(wisp.Trap):
            instance["test:shapes/echo"].text("x")


@pytest.mark.parametrize("language", ["rust", "go", "c"])
def test_a_library_may_export_what_it_imports_and_functions_of_its_own(language: str, tmp_path: Path) -> None:
    folder = project(tmp_path, LIBRARY)

    init(folder, language)
    info = native.inspect(built(folder))

    assert {"a:greeter/greet", "twice"} <= set(info.exports)


@pytest.mark.parametrize("language", setup.LANGUAGES)
def test_a_new_service_builds_as_it_is(language: str, tmp_path: Path) -> None:
    folder = project(tmp_path, SERVICE)

    init(folder, language)
    info = native.inspect(built(folder))

    assert info.http == ("0.3" if language in {"javascript", "typescript"} else "0.2")


@pytest.mark.parametrize(
    ("language", "own", "generated"),
    [
        ("c", "part.c", "bindings/part.h"),
        ("go", "export_a_greeter_greet/a_greeter_greet.go", "bindings/wit_exports/wit_exports.go"),
        ("typescript", "app.ts", "bindings/part.d.ts"),
    ],
)
def test_after_a_change_of_the_wit_bindings_are_new_and_own_code_is_kept(
    language: str, own: str, generated: str, tmp_path: Path
) -> None:
    folder = project(tmp_path, LIBRARY)
    init(folder, language)
    (folder / own).write_text("// mine\n", encoding="utf-8")
    (folder / "wit" / "deps" / "greeter.wit").write_text(
        GREETER.replace("hello", "good-bye"), encoding="utf-8"
    )

    outcome = init(folder, language)

    assert (folder / own).read_text(encoding="utf-8") == "// mine\n"
    assert own in outcome.kept
    assert "goodbye" in (folder / generated).read_text(encoding="utf-8").lower().replace("_", "")


def test_what_nothing_asks_for_any_more_is_removed(tmp_path: Path) -> None:
    folder = project(tmp_path, LIBRARY)
    init(folder, "go")
    (folder / "wit" / "own.wit").write_text("package a:b; world part { export twice: func(n: u32) -> u32; }")

    outcome = init(folder, "go")

    assert "bindings/a_greeter_greet/wit_bindings.go" in outcome.removed
    assert not (folder / "bindings" / "a_greeter_greet").exists()
    assert (folder / "export_a_greeter_greet" / "a_greeter_greet.go").is_file()


def test_a_file_of_somebody_else_s_is_not_overwritten_without_force(tmp_path: Path) -> None:
    folder = project(tmp_path, LIBRARY)
    write(folder, bindings__part_h="// mine\n")

    with pytest.raises(
        BuildError, match=r"bindings/part\.h is there already, and was not generated"
    ) as caught:
        init(folder, "c")

    assert "--force" in (caught.value.hint or "")
    assert not (folder / "part.c").exists()
    assert "bindings/part.h" in init(folder, "c", force=True).written


def test_force_writes_own_code_anew(tmp_path: Path) -> None:
    folder = project(tmp_path, LIBRARY)
    init(folder, "c")
    (folder / "part.c").write_text("// mine\n", encoding="utf-8")

    assert "part.c" in init(folder, "c", force=True).written
    assert "exports_part_twice" in (folder / "part.c").read_text(encoding="utf-8")


def test_sources_that_are_elsewhere_get_no_second_beginning(tmp_path: Path) -> None:
    folder = project(tmp_path, LIBRARY)
    write(folder, src__mine_c="#include <part.h>\n")

    assert "part.c" not in init(folder, "c").written


def test_a_project_without_wit_is_told_where_it_goes(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no WIT in the folder wit") as caught:
        setup.plan(tmp_path, "go")

    assert "wit/world.wit" in (caught.value.hint or "")


def test_of_several_worlds_one_must_be_named_where_a_project_can(tmp_path: Path) -> None:
    folder = write(
        tmp_path, wit__w_wit="package a:b; world x { export f: func(); } world y { export g: func(); }"
    )

    with pytest.raises(BuildError, match="several worlds: x, y"):
        setup.plan(folder, "rust")
    with pytest.raises(BuildError, match="a project in c cannot say which"):
        setup.plan(folder, "c", world="y")

    assert 'world: "y"' in setup.plan(folder, "rust", world="y").begun["src/lib.rs"]


def test_the_command_says_what_was_written_and_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project(tmp_path, LIBRARY))

    assert run(["wit", "init", "c"]) == 0
    first = capsys.readouterr().out
    assert run(["wit", "init", "c", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)

    assert first == (
        "wrote    bindings/part.c\nwrote    bindings/part.h\nwrote    part.c\n"
        "\nnext steps:\n  fill in the functions in part.c\n  wisp build\n"
    )
    assert second["kept"] == ["part.c"]
    assert second["written"] == ["bindings/part.c", "bindings/part.h"]


def run(words: Sequence[str]) -> int:
    return main.main(list(words))
