"""Apps of registries that mean harm: nothing leaves its folder, and nothing of the host is named."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.integration.registry.hostile import CONTENT, QUICK, digest_of, manifest_of
from wisp.errors import RegistryError
from wisp.registry.oci import apps
from wisp.registry.oci.client import Client

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.registry.hostile import Hostile
    from wisp.manifest.references import Reference
    from wisp.registry.cache import Cache


def tar(*entries: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for entry in entries:
            archive.addfile(entry, io.BytesIO(b"x" * entry.size))
    return stream.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, to: str = "", size: int = 1) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, to
    made.size = size if kind == tarfile.REGTYPE else 0
    return made


def app_of(hostile: Hostile, archive: bytes, **changes: object) -> Reference:
    """Let a registry have an app with one component and one folder."""
    component, files = hostile.has(CONTENT), {**hostile.has(archive), "mediaType": apps.FILES}
    manifest = {
        "app": {"name": "thing"},
        "http": [{"route": "/...", "component": "web"}],
        "component": {
            "web": {
                "source": "components/web.wasm",
                "grants": {"files": [{"source": "files/1", "mount": "/static"}]},
            }
        },
    }
    manifest.update(changes.pop("manifest", {}))  # type: ignore[call-overload]
    config = {
        "schema": 1,
        "manifest": manifest,
        "components": {"web": digest_of(CONTENT)},
        "folders": {"files/1": digest_of(archive)},
        **changes,
    }
    described = {**hostile.has(json.dumps(config).encode()), "mediaType": apps.CONFIG}
    return hostile.says({**manifest_of(component, files), "config": described})


async def get_app(reference: Reference, folder: Path, cache: Cache) -> None:
    async with Client(QUICK) as client:
        await apps.pull(client, await client.manifest(reference), folder, cache)


async def test_an_app_that_is_right_is_unpacked(hostile: Hostile, cache: Cache, tmp_path: Path) -> None:
    reference = app_of(hostile, tar(entry("a/b.txt"), entry("c.txt")))

    await get_app(reference, tmp_path / "app", cache)

    assert (tmp_path / "app" / "files" / "1" / "a" / "b.txt").read_bytes() == b"x"
    assert (tmp_path / "app" / "components" / "web.wasm").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([entry("../evil")], "lies elsewhere"),
        ([entry("a/../../evil")], "lies elsewhere"),
        ([entry("/etc/evil")], "lies elsewhere"),
        ([entry("link", tarfile.SYMTYPE, "/etc")], "neither a file nor a folder"),
        ([entry("link", tarfile.LNKTYPE, "../../wisp.toml")], "neither a file nor a folder"),
        ([entry("device", tarfile.CHRTYPE)], "neither a file nor a folder"),
        ([entry("pipe", tarfile.FIFOTYPE)], "neither a file nor a folder"),
        ([entry("a"), entry("a")], "twice"),
        ([entry("a"), entry("a/b")], "twice"),
    ],
)
async def test_an_archive_that_leads_elsewhere_is_refused(
    hostile: Hostile, cache: Cache, tmp_path: Path, entries: list[tarfile.TarInfo], said: str
) -> None:
    reference = app_of(hostile, tar(*entries))

    with pytest.raises(RegistryError, match=said):
        await get_app(reference, tmp_path / "app", cache)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "home"]  # noqa: ASYNC240 - a test


@pytest.mark.parametrize("content", [b"no tar", b"", b"\x1f\x8b" + bytes(600)])
async def test_what_is_no_archive_is_refused(
    hostile: Hostile, cache: Cache, tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(RegistryError, match="is not a tar"):
        await get_app(app_of(hostile, content), tmp_path / "app", cache)


def component(**changes: object) -> dict[str, object]:
    return {"component": {"web": {"source": "components/web.wasm", **changes}}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": 2}, "was pushed by a newer wisp"),
        ({"extra": 1}, "is not an app as wisp pushes it"),
        ({"components": {}}, "its components are not those of its manifest"),
        ({"components": {"web": f"sha256:{'0' * 64}"}}, "it has no layer"),
        ({"folders": {"../evil": digest_of(tar())}}, "lies elsewhere"),
        ({"folders": {"files/../../evil": digest_of(tar())}}, "lies elsewhere"),
        ({"manifest": {"app": {"name": "../evil"}}}, "is not a name"),
        ({"manifest": component(source="/etc/evil.wasm")}, "is not one of the artifact"),
        ({"manifest": component(source="oci://evil.example/x:1")}, "is not one of the artifact"),
        ({"manifest": component(build={"command": "evil"})}, "is not one of the artifact"),
        (
            {"manifest": component(grants={"files": [{"source": "/etc", "mount": "/etc"}]})},
            "not one of the artifact",
        ),
        (
            {"manifest": component(grants={"files": [{"source": "/home", "mount": "/h", "write": True}]})},
            "is one of the host",
        ),
        (
            {"manifest": component(grants={"files": [{"include": ["../*"], "mount": "/h"}]})},
            "not one of the artifact",
        ),
        (
            {"manifest": component(grants={"http": [{"to": "https://a.example", "roots": "/etc/passwd"}]})},
            "the certificate for https://a.example is not one of the artifact",
        ),
        (
            {"manifest": {"secrets": {"x": {"command": "evil"}}}},
            "the secret x comes from a file or a command",
        ),
        ({"manifest": {"secrets": {"x": {"file": "/root/.ssh/id_rsa"}}}}, "the secret x comes from a file"),
    ],
)
async def test_an_app_that_leads_to_the_host_is_refused(
    hostile: Hostile, cache: Cache, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    reference = app_of(hostile, tar(entry("a")), **changes)

    with pytest.raises(RegistryError, match=said):
        await get_app(reference, tmp_path / "app", cache)

    assert not (tmp_path / "app").exists()
