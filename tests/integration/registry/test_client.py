"""The client and real registries: what goes up comes down, also when connections break."""

from __future__ import annotations

import hashlib
import json
import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.integration.registry.proxy import After, Proxy
from tests.integration.registry.registries import (
    PASSWORD,
    PEM,
    USER,
    TokenServer,
    docker_registry,
    htpasswd,
)
from wisp.errors import RegistryError
from wisp.manifest.references import Reference, parse_reference
from wisp.registry.oci import documents
from wisp.registry.oci.access import Access
from wisp.registry.oci.apps import gathered
from wisp.registry.oci.client import Client
from wisp.registry.oci.documents import Descriptor
from wisp.registry.oci.upload import Content

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.registry.registries import Registry

MIB = 2**20
QUICK = Access(backoff=0.01, chunk=MIB)


def blob(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - nobody must not guess it


def named(content: bytes) -> Descriptor:
    return Descriptor(
        mediaType="application/octet-stream",
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        size=len(content),
    )


async def push(client: Client, reference: Reference, content: bytes) -> bool:
    return await client.push_blob(reference, Content.of(content))


async def pull(client: Client, reference: Reference, content: bytes, folder: Path) -> Path:
    target = folder / "blob"
    await client.blob(reference, named(content), target, limit=len(content))
    return target


def login(home: Path, registry: str, **entry: str) -> None:
    file = home / "home" / ".docker" / "config.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"auths": {registry: entry}}), encoding="utf-8")


@pytest.mark.parametrize("size", [0, 1, MIB, 3 * MIB + 17])
async def test_a_blob_comes_back_as_it_went(registry: Registry, tmp_path: Path, size: int) -> None:
    content = blob(size)
    reference = parse_reference(f"{registry.address}/blobs/size-{size}")

    async with Client(QUICK) as client:
        assert await push(client, reference, content)
        assert not await push(client, reference, content), "it was sent although it is there"
        path = await pull(client, reference, content, tmp_path)

    assert path.read_bytes() == content


async def test_a_manifest_is_found_by_its_tag_and_by_its_digest(registry: Registry) -> None:
    reference = parse_reference(f"{registry.address}/manifests:v1")
    config = Content.of(b"{}")

    async with Client(QUICK) as client:
        await client.push_blob(reference, config)
        manifest = documents.image_manifest(named(b"{}"), [], {})
        digest = await client.push_manifest(reference, manifest)
        by_tag = await client.manifest(reference)
        by_digest = await client.manifest(reference.at(digest))

    assert by_tag.content == by_digest.content == manifest
    assert by_tag.digest == digest


async def test_a_large_blob_goes_in_pieces(docker: Registry) -> None:
    reference = parse_reference(f"{docker.address}/pieces")

    async with Client(QUICK) as client:
        await push(client, reference, blob(4 * MIB, seed=1))

    assert sum("/v2/pieces/" in url for url in docker.requests("PATCH")) == 4


async def test_what_another_repository_has_is_mounted_and_not_sent(docker: Registry) -> None:
    content = Content.of(blob(2 * MIB, seed=2))

    async with Client(QUICK) as client:
        await client.push_blob(parse_reference(f"{docker.address}/mount/here"), content)
        sent = await client.push_blob(parse_reference(f"{docker.address}/mount/there"), content, "mount/here")

    assert not sent
    assert not any("/v2/mount/there/" in url for url in docker.requests("PATCH"))


async def test_what_another_repository_has_no_more_is_sent(registry: Registry) -> None:
    content = Content.of(blob(2 * MIB, seed=3))

    async with Client(QUICK) as client:
        reference = parse_reference(f"{registry.address}/mount/other")
        assert await client.push_blob(reference, content, "mount/nowhere")
        assert not await client.push_blob(reference, content)


async def test_a_download_goes_on_where_the_connection_broke(registry: Registry, tmp_path: Path) -> None:
    content = blob(5 * MIB, seed=4)
    reference = parse_reference(f"{registry.address}/broken/down")
    async with Client(QUICK) as client:
        await push(client, reference, content)

    with Proxy(registry.address) as proxy:
        proxy.down = After(2 * MIB, times=2)
        async with Client(QUICK) as client:
            through = Reference(proxy.address, reference.repository)
            path = await pull(client, through, content, tmp_path)

    assert path.read_bytes() == content
    assert proxy.cuts == 2
    assert proxy.passed_down < len(content) + MIB, "more than the rest was asked for"


async def test_an_upload_goes_on_where_the_connection_broke(docker: Registry, tmp_path: Path) -> None:
    content = blob(6 * MIB, seed=5)
    reference = parse_reference(f"{docker.address}/broken/up")

    with Proxy(docker.address) as proxy:
        pieces = 0

        def before_the_fourth(piece: bytes) -> int | None:
            nonlocal pieces
            pieces += piece.startswith(b"PATCH ")
            return 0 if pieces == 4 and proxy.cuts == 0 else None

        proxy.up = before_the_fourth
        async with Client(QUICK) as client:
            await push(client, Reference(proxy.address, reference.repository), content)

    assert proxy.cuts == 1
    assert proxy.passed_up < len(content) + MIB, "what was there already was sent again"
    async with Client(QUICK) as client:
        assert (await pull(client, reference, content, tmp_path)).read_bytes() == content


@pytest.mark.parametrize("at", [MIB // 2, 2 * MIB + 4096, 5 * MIB])
async def test_an_upload_that_broke_in_the_middle_of_a_piece_arrives_whole(
    registry: Registry, tmp_path: Path, at: int
) -> None:
    content = blob(6 * MIB, seed=at)
    reference = parse_reference(f"{registry.address}/broken/at-{at}")

    with Proxy(registry.address) as proxy:
        proxy.up = After(at)
        async with Client(QUICK) as client:
            await push(client, Reference(proxy.address, reference.repository), content)

    assert proxy.cuts == 1
    async with Client(QUICK) as client:
        assert (await pull(client, reference, content, tmp_path)).read_bytes() == content


async def test_a_connection_that_always_breaks_is_an_error_and_leaves_nothing(
    docker: Registry, tmp_path: Path
) -> None:
    content = blob(MIB, seed=6)
    reference = parse_reference(f"{docker.address}/broken/always")
    async with Client(QUICK) as client:
        await push(client, reference, content)

    with Proxy(docker.address) as proxy:
        proxy.down = lambda piece: 0 if b"HTTP/1.1 20" in piece and b"octet-stream" in piece else None
        async with Client(QUICK) as client:
            with pytest.raises(RegistryError, match="cannot be"):
                await pull(client, Reference(proxy.address, reference.repository), content, tmp_path)

    assert os.listdir(tmp_path) == ["home"]  # noqa: PTH208 - pathlib blocks too


async def test_a_registry_without_tls_is_spoken_to_only_when_it_is_named(docker: Registry) -> None:
    # An address of this machine that does not look like one.
    elsewhere = docker.address.replace("127.0.0.1", "127.1")
    reference = parse_reference(f"{elsewhere}/plain")

    async with Client(QUICK) as client:
        with pytest.raises(RegistryError, match="cannot be reached") as caught:
            await push(client, reference, b"plain content")
    async with Client(Access(insecure=(elsewhere,))) as client:
        assert await push(client, reference, b"plain content")

    assert (
        caught.value.hint == f"it does not speak TLS; if that is meant, allow it with --insecure {elsewhere}"
    )


async def test_a_registry_with_tls_is_verified(tmp_path: Path) -> None:
    with docker_registry(tmp_path / "registry", tls=True) as registry:
        reference = parse_reference(f"{registry.address}/tls")

        async with Client(QUICK) as client:
            with pytest.raises(RegistryError, match="certificate verify failed") as caught:
                await push(client, reference, b"content")

        async with Client(Access(authority=PEM / "roots.pem")) as client:
            assert await push(client, reference, b"content")

    assert caught.value.hint is not None
    assert "--ca" in caught.value.hint


async def test_an_authority_in_the_folder_of_podman_is_trusted_for_that_registry(tmp_path: Path) -> None:
    with docker_registry(tmp_path / "registry", tls=True) as registry:
        folder = tmp_path / "home" / ".config" / "containers" / "certs.d" / registry.address
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes((PEM / "roots.pem").read_bytes())

        async with Client(QUICK) as client:
            assert await push(client, parse_reference(f"{registry.address}/tls"), b"content")


async def test_a_registry_with_passwords_lets_in_who_has_logged_in(tmp_path: Path) -> None:
    auth = htpasswd(tmp_path)
    with docker_registry(tmp_path / "registry", auth=auth) as registry:
        reference = parse_reference(f"{registry.address}/basic")
        async with Client(QUICK) as client:
            with pytest.raises(RegistryError, match="UNAUTHORIZED") as caught:
                await push(client, reference, b"content")
        login(tmp_path, registry.address, username=USER, password=PASSWORD)

        async with Client(QUICK) as client:
            assert await push(client, reference, b"content")
            assert (await pull(client, reference, b"content", tmp_path)).read_bytes() == b"content"

        login(tmp_path, registry.address, username=USER, password=PASSWORD[::-1])
        async with Client(QUICK) as client:
            with pytest.raises(RegistryError, match="UNAUTHORIZED"):
                await push(client, reference, b"content")

    assert caught.value.status == 401
    assert f"docker login {registry.address}" in (caught.value.hint or "")


async def test_a_registry_with_tokens_is_given_those_that_it_wants(tmp_path: Path) -> None:
    with TokenServer() as tokens, docker_registry(tmp_path / "registry", auth=tokens.auth()) as registry:
        reference = parse_reference(f"{registry.address}/shop/api")
        async with Client(QUICK) as client:
            with pytest.raises(RegistryError, match=r"UNAUTHORIZED|DENIED"):
                await push(client, reference, b"content")
        login(tmp_path, registry.address, username=USER, password=PASSWORD)

        async with Client(QUICK) as client:
            assert await push(client, reference, b"content")
            asked = len(tokens.asked)
            assert await push(client, reference, b"more content")

        assert len(tokens.asked) == asked, "a token was asked for that we had"
        assert tokens.asked[-1] == (USER, ["repository:shop/api:pull,push"])
        login(tmp_path, "elsewhere.example", username=USER, password=PASSWORD)
        async with Client(QUICK) as client:
            path = await pull(client, reference, b"content", tmp_path)

    assert path.read_bytes() == b"content"
    assert tokens.asked[-1] == ("", ["repository:shop/api:pull"])


async def test_a_token_in_place_of_a_password_is_traded(tmp_path: Path) -> None:
    with TokenServer() as tokens, docker_registry(tmp_path / "registry", auth=tokens.auth()) as registry:
        tokens.refresh = "of a helper"
        login(tmp_path, registry.address, identitytoken="of a helper")

        async with Client(QUICK) as client:
            assert await push(client, parse_reference(f"{registry.address}/traded"), b"content")

    assert tokens.asked == [(USER, ["repository:traded:pull,push"])]


async def test_many_blobs_at_once_need_one_token(tmp_path: Path) -> None:
    with TokenServer() as tokens, docker_registry(tmp_path / "registry", auth=tokens.auth()) as registry:
        login(tmp_path, registry.address, username=USER, password=PASSWORD)
        reference = parse_reference(f"{registry.address}/many")

        async with Client(QUICK) as client:
            sent = await gathered([push(client, reference, blob(1000, seed)) for seed in range(12)])

    assert all(sent)
    assert len(tokens.asked) == 1
