"""Folders of an app that is deployed, as objects and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.errors import LatticeError
from wisp.lattice.nats.objects import digest_of
from wisp.lattice.running import folders
from wisp.lattice.running.remembered import Remembered

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.lists(st.sampled_from(("a", "b", "c.txt", "dé")), min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(NAMES, st.binary(max_size=2000), max_size=6)


def locked(*sources: str, write: bool = False) -> dict[str, object]:
    grants = [{"source": source, "mount": f"/{n}", "write": write} for n, source in enumerate(sources)]
    return {"name": "shop", "components": {"api": {"grants": {"files": grants, "http": []}}}}


def make(folder: Path, files: dict[str, bytes]) -> dict[str, bytes]:
    """Write those files that can be there together."""
    kept: dict[str, bytes] = {}
    for name, content in files.items():
        path = folder / name
        if any(other.startswith(f"{name}/") or name.startswith(f"{other}/") for other in kept):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        kept[name] = content
    return kept


def below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@given(FILES)
async def test_a_folder_arrives_as_it_was_under_the_digest_of_what_is_sent(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder, host = tmp_path_factory.mktemp("app"), Remembered(tmp_path_factory.mktemp("host"))
    (folder / "assets").mkdir()
    kept = make(folder / "assets", files)

    moved, packed = folders.pack(locked("assets", "assets"), folder)
    [(digest, content)] = packed.items()
    await folders.unpack(content(), digest, host)
    there = folders.placed(moved, host)

    assert digest_of(content()) == digest
    sources = [one["source"] for one in there["components"]["api"]["grants"]["files"]]  # type: ignore[index]
    assert sources == [str(host.unpacked_path(digest))] * 2
    assert below(host.unpacked_path(digest)) == kept


async def test_trusted_certificates_travel_as_a_folder_with_one_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"certificates")
    host, app = Remembered(tmp_path / "host"), locked()
    [grants] = [one["grants"] for one in app["components"].values()]  # type: ignore[attr-defined]
    grants["http"] = [{"text": "https://a", "roots": "ca.pem"}, {"text": "https://b", "roots": None}]

    moved, packed = folders.pack(app, tmp_path)
    [(digest, content)] = packed.items()
    await folders.unpack(content(), digest, host)
    there = folders.placed(moved, host)["components"]["api"]["grants"]["http"]  # type: ignore[index]

    assert [one["roots"] for one in there] == [str(host.unpacked_path(digest) / folders.ROOTS), None]
    assert below(host.unpacked_path(digest)) == {folders.ROOTS: b"certificates"}


def test_certificates_that_are_not_there_are_refused(tmp_path: Path) -> None:
    app = locked()
    [grants] = [one["grants"] for one in app["components"].values()]  # type: ignore[attr-defined]
    grants["http"] = [{"text": "https://a", "roots": "ca.pem"}]

    with pytest.raises(LatticeError, match="the certificates for https://a cannot be deployed"):
        folders.pack(app, tmp_path)


def test_what_is_written_to_is_not_packed(tmp_path: Path) -> None:
    app = locked("data", write=True)

    assert folders.pack(app, tmp_path) == (app, {})


@pytest.mark.parametrize("source", ["../other", "/etc", "missing"])
def test_a_folder_that_is_not_one_of_the_app_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(LatticeError, match="the files for /0 cannot be deployed"):
        folders.pack(locked(source), tmp_path)


async def test_what_is_not_a_folder_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    host = Remembered(tmp_path)
    content = b"no tar" * 200

    with pytest.raises(LatticeError, match="is not a tar"):
        await folders.unpack(content, digest_of(content), host)

    assert not host.unpacked_path(digest_of(content)).exists()
    assert [path.name for path in (tmp_path / "folders").iterdir() if path.is_dir()] == []
