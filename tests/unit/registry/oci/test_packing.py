"""What of an app goes into a registry means there what it meant here."""

from __future__ import annotations

from pathlib import Path

import pytest

from wisp.errors import ManifestError
from wisp.manifest import written
from wisp.manifest.load import load, loads
from wisp.manifest.locked import lock_app
from wisp.registry.oci import archives, packing

GOLDEN = Path(__file__).parents[2] / "manifest" / "golden"
DIGEST = f"sha256:{'d' * 64}"


@pytest.fixture(autouse=True)
def _sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the sources that golden manifests name where they look for them."""
    for folder in ("rust", "python", "assets", "data"):
        (tmp_path / folder).mkdir()
    for file in ("auth.wasm", "README.md", "ca.pem", "client.pem", "client-key.pem"):
        (tmp_path / file).touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["everything", "least", "links"])
def test_a_packed_app_is_the_same_app_but_for_its_files(name: str, tmp_path: Path) -> None:
    text = (GOLDEN / f"{name}.toml").read_text(encoding="utf-8")
    manifest = loads(text, path=tmp_path / "wisp.toml")

    packed = packing.pack(manifest)
    there = unpacked(packed, tmp_path / "there")

    assert locked(there) == locked(manifest)


def unpacked(packed: packing.Packed, folder: Path) -> object:
    """Lay an app out as `wisp pull` does, and read it."""
    (folder / "components").mkdir(parents=True)
    for name in packed.data["component"]:
        (folder / "components" / f"{name}.wasm").touch()
    for place in packed.folders:
        (folder / place).mkdir(parents=True)
    (folder / "wisp.toml").write_text(written.dumps(packed.data, "From a test"), encoding="utf-8")
    return load(folder)


def locked(manifest: object) -> dict[str, object]:
    """Return the locked app, without where its files are."""
    data = lock_app(manifest, dict.fromkeys(manifest.component, DIGEST)).to_data()  # type: ignore[arg-type, attr-defined]
    for component in data["components"].values():
        for folder in component["grants"]["files"]:
            for key in ("source", "include", "exclude"):
                folder.pop(key)
    return data


def test_the_key_of_a_certificate_stays_here(tmp_path: Path) -> None:
    text = (GOLDEN / "grants.toml").read_text(encoding="utf-8")
    assert "client-key.pem" in text

    with pytest.raises(
        ManifestError, match=r"cannot be pushed: .*(is a secret|comes from a file or a command)"
    ):
        packing.pack(loads(text, path=tmp_path / "wisp.toml"))


def test_the_same_files_are_the_same_archive_whatever_their_times(tmp_path: Path) -> None:
    packed = []
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "deep").mkdir(parents=True)
        for file in ("b.txt", "deep/ä.txt") if name == "one" else ("deep/ä.txt", "b.txt"):
            (folder / file).write_text(file, encoding="utf-8")
        (folder / "b.txt").chmod(0o600 if name == "one" else 0o755)
        with (tmp_path / f"{name}.tar").open("wb") as stream:
            archives.pack(archives.below(folder), stream)
        packed.append((tmp_path / f"{name}.tar").read_bytes())

    assert packed[0] == packed[1]
    archives.unpack(tmp_path / "one.tar", tmp_path / "back", "it")
    assert {
        path.name: path.read_text(encoding="utf-8") for path in archives.below(tmp_path / "back").values()
    } == {
        "b.txt": "b.txt",
        "ä.txt": "deep/ä.txt",
    }


@pytest.mark.parametrize(
    ("to", "said"),
    [("/etc/passwd", "leads out of"), ("missing", "is not a file"), ("deep", "is a link to a folder")],
)
def test_a_link_that_cannot_be_packed_is_said(tmp_path: Path, to: str, said: str) -> None:
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "link").symlink_to(to)

    with pytest.raises(ValueError, match=said):
        archives.below(tmp_path / "folder")
