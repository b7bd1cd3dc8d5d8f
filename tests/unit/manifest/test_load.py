"""Reading manifests from files; what may be in them is in `test_golden`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.errors import ManifestError
from wisp.manifest.load import load, loads, of_component
from wisp.manifest.models import RemoteSource

LEAST = 'app.name = "least"\ncomponent.only.source = "."\n'


def test_a_folder_is_read_by_its_manifest(tmp_path: Path) -> None:
    (tmp_path / "wisp.toml").write_text(LEAST)

    manifest = load(tmp_path)

    assert manifest is not None
    assert manifest.app.name == "least"
    assert (manifest.path, manifest.folder) == (tmp_path / "wisp.toml", tmp_path)
    assert manifest.local_source("only") == tmp_path
    assert manifest == load(tmp_path / "wisp.toml")


def test_a_folder_without_a_manifest_has_none(tmp_path: Path) -> None:
    assert load(tmp_path) is None


def test_a_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ManifestError, match=r"^there is no file nowhere.toml$") as caught:
        load(Path("nowhere.toml"))

    assert caught.value.path == tmp_path / "nowhere.toml"


def test_a_manifest_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "wisp.toml").mkdir()

    with pytest.raises(ManifestError, match=r"cannot read .*: Is a directory"):
        load(tmp_path)


def test_what_is_not_utf_8_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "wisp.toml").write_bytes(b'[app]\nname = "\xff"\n')

    with pytest.raises(ManifestError, match="not UTF-8") as caught:
        load(tmp_path)

    assert (caught.value.line, caught.value.column) == (2, 9)


def test_an_error_carries_its_place_and_key(tmp_path: Path) -> None:
    path = tmp_path / "wisp.toml"

    with pytest.raises(ManifestError) as caught:
        loads(LEAST + "[component.only.limits]\nmemory = 0\nbodi = 0\n", path=path)

    error = caught.value
    assert (error.path, error.line, error.column, error.key) == (path, 4, 10, "component.only.limits.memory")
    assert len(error.message.splitlines()) == 2


def test_nesting_without_end_is_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="nested too deeply"):
        loads("a = " + "[" * 5_000, path=tmp_path / "wisp.toml")


def test_a_manifest_does_not_change(tmp_path: Path) -> None:
    manifest = loads(LEAST, path=tmp_path / "wisp.toml")

    with pytest.raises(ValueError, match="frozen"):
        setattr(manifest.app, "name", "other")  # noqa: B010 - the type checker knows that this fails


def test_paths_of_a_build_start_from_the_folder_of_the_sources(tmp_path: Path) -> None:
    (tmp_path / "rust").mkdir()
    (tmp_path / "a.wasm").touch()
    remote = f'{{ url = "https://example.com/a", digest = "sha256:{"a" * 64}" }}'
    text = f'app.name="a"\ncomponent.a.source = "rust"\ncomponent.b.source = "a.wasm"\ncomponent.c.source = {remote}\n'

    manifest = loads(text, path=tmp_path / "wisp.toml")

    assert manifest.component_folder("a") == tmp_path / "rust"
    assert manifest.component_folder("b") == tmp_path
    assert manifest.component_folder("c") == tmp_path
    assert manifest.local_source("c") is None
    assert isinstance(manifest.component["c"].source, RemoteSource)


@pytest.mark.parametrize(
    ("source", "name", "folder"),
    [
        ("my_service", "my-service", "my_service"),
        ("Hello World.wasm", "hello-world", "."),
        ("123.wasm", "app", "."),
    ],
)
def test_a_component_alone_serves_everything(source: str, name: str, folder: str, tmp_path: Path) -> None:
    manifest = of_component(tmp_path / source)

    assert manifest.app.name == name
    assert [(trigger.route, trigger.component) for trigger in manifest.http] == [("/...", name)]
    assert manifest.folder == tmp_path / folder
    assert manifest.local_source(name) == tmp_path / source


LINES = st.sampled_from(
    [
        *LEAST.splitlines(),
        "[app]",
        "[[http]]",
        "[http]",
        'route = "/"',
        'component = "only"',
        "component = 1",
        "source = {}",
        'source = { url = "https://a", remote = 1, path = 2 }',
        "[component.source.source]",
        "[component.source.path]",
        "[profile.source.component.source.source]",
        'path = "x"',
        "remote = []",
        "[profile]",
        "[profile.x.component.only]",
        "limits = { memory = 1, x = [] }",
        "method = []",
        'host = ["*.a", 1]',
    ]
)


@given(st.one_of(st.text(max_size=40), st.lists(LINES, max_size=9).map("\n".join)))
def test_whatever_is_written_is_a_manifest_or_an_error_with_a_place(text: str) -> None:
    path = Path(__file__)

    wrong = None
    try:
        loads(text, path=path)
    except ManifestError as error:
        wrong = error

    assert wrong is None or (wrong.path == path and wrong.line in range(1, text.count("\n") + 2))


def test_a_mark_in_front_and_line_ends_of_other_systems_are_read(tmp_path: Path) -> None:
    text = "\ufeff" + LEAST.replace("\n", "\r\n")
    (tmp_path / "wisp.toml").write_bytes(text.encode())

    manifest = load(tmp_path)

    assert manifest is not None
    assert manifest.app.name == "least"


def test_a_source_that_no_file_could_be_called_is_an_error_of_the_manifest(tmp_path: Path) -> None:
    with pytest.raises(
        ManifestError, match=r"component\.only\.source: cannot be looked for: File name too long"
    ):
        loads(f'app.name = "least"\ncomponent.only.source = "{"x" * 5000}"\n', path=tmp_path / "wisp.toml")
