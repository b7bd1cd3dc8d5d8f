"""Registries that mean harm, or are broken: an error says what is wrong, and nothing is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.registry.hostile import CONTENT, QUICK, Hostile, body, digest_of, manifest_of, redirect
from wisp.errors import RegistryError
from wisp.manifest.references import Reference
from wisp.registry.oci import components
from wisp.registry.oci.client import Client
from wisp.registry.oci.documents import Descriptor
from wisp.registry.oci.transport import Transport
from wisp.registry.oci.upload import Content
from wisp.registry.signing.gate import Gate

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from tests.integration.registry.hostile import Answer
    from wisp.registry.cache import Cache


async def get(reference: Reference, cache: Cache) -> str:
    async with Client(QUICK) as client:
        return await components.pull(
            client, await components.find(client, reference, Gate(None, cache)), cache
        )


def kept(cache: Cache) -> list[str]:
    return [path.name for path in cache.folder("components", "sha256").iterdir()]


async def test_what_is_right_is_kept(hostile: Hostile, cache: Cache) -> None:
    reference = hostile.says(manifest_of(hostile.has(CONTENT)))

    assert await get(reference, cache) == digest_of(CONTENT)
    assert cache.read(digest_of(CONTENT)) == CONTENT


async def test_another_content_than_the_digest_says_is_refused(hostile: Hostile, cache: Cache) -> None:
    layer = hostile.has(CONTENT)
    hostile.answers[digest_of(CONTENT)] = body(CONTENT[:-1] + b"x")

    with pytest.raises(RegistryError, match="is damaged: expected"):
        await get(hostile.says(manifest_of(layer)), cache)

    assert kept(cache) == []


@pytest.mark.parametrize(("change", "said"), [(-1, "is longer than its manifest says"), (1, "is shorter")])
async def test_another_size_than_the_manifest_says_is_refused(
    hostile: Hostile, cache: Cache, change: int, said: str
) -> None:
    layer = {**hostile.has(CONTENT), "size": len(CONTENT) + change}

    with pytest.raises(RegistryError, match=said):
        await get(hostile.says(manifest_of(layer)), cache)

    assert kept(cache) == []


async def test_an_endless_blob_is_not_read_to_its_end(hostile: Hostile, cache: Cache) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(bytes(65536))
        except OSError:
            pass

    layer = hostile.has(CONTENT)
    hostile.answers[digest_of(CONTENT)] = endless

    with pytest.raises(RegistryError, match="is longer than its manifest says"):
        await get(hostile.says(manifest_of(layer)), cache)

    assert kept(cache) == []


async def test_a_component_that_is_announced_as_huge_is_not_even_asked_for(
    hostile: Hostile, cache: Cache
) -> None:
    layer = {**hostile.has(CONTENT), "size": 2**39}

    with pytest.raises(RegistryError, match=r"has 524288 MiB, 512 are allowed"):
        await get(hostile.says(manifest_of(layer)), cache)

    assert not any("/blobs/" in path for _, path, _ in hostile.seen)


async def test_a_huge_manifest_is_refused(hostile: Hostile, cache: Cache) -> None:
    hostile.answers["v1"] = body(b" " * (4 * 2**20 + 1))

    with pytest.raises(RegistryError, match="the answer is larger than 4 MiB"):
        await get(Reference(hostile.address, "thing", "v1"), cache)


async def test_another_manifest_than_the_digest_says_is_refused(hostile: Hostile, cache: Cache) -> None:
    wanted = digest_of(b"something else")
    hostile.answers[wanted] = body(json.dumps(manifest_of(hostile.has(CONTENT))).encode())

    with pytest.raises(RegistryError, match=f"expected {wanted}, found"):
        await get(Reference(hostile.address, "thing", None, wanted), cache)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"nothing",
        b"{}",
        b'{"schemaVersion": 1}',
        b"[" * 100_000,
        b'{"manifests": [{}]}',
        b"\xff\xfe",
    ],
)
async def test_what_is_no_manifest_is_refused(hostile: Hostile, cache: Cache, content: bytes) -> None:
    hostile.answers["v1"] = body(content)

    with pytest.raises(RegistryError, match=r"is not a (manifest of OCI|JSON object)"):
        await get(Reference(hostile.address, "thing", "v1"), cache)


async def test_a_digest_that_is_a_path_is_no_digest(hostile: Hostile, cache: Cache) -> None:
    layer = {**hostile.has(CONTENT), "digest": "sha256:../../../../etc/passwd"}

    with pytest.raises(RegistryError, match="is not a manifest of OCI"):
        await get(hostile.says(manifest_of(layer)), cache)


@pytest.mark.parametrize(
    "to",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/blob",
        "http://192.0.2.1/blob",
        "http://169.254.169.254/latest/meta-data",
        "http://example.com/blob",
        "http://[",
    ],
)
async def test_a_redirection_that_leads_astray_is_refused(hostile: Hostile, cache: Cache, to: str) -> None:
    layer = hostile.has(CONTENT)
    hostile.answers[digest_of(CONTENT)] = redirect(to)

    with pytest.raises(RegistryError, match=r"where nothing is sent|is no address"):
        await get(hostile.says(manifest_of(layer)), cache)

    assert kept(cache) == []


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://storage.example/blob", True),
        ("http://storage.example/blob", False),
        ("https://127.0.0.1/blob", False),
        ("https://localhost/blob", False),
        ("https://[::1]/blob", False),
        ("http://registry.example/v2/", False),
        ("gopher://registry.example/", False),
    ],
)
def test_a_registry_elsewhere_leads_nobody_to_this_machine(url: str, *, safe: bool) -> None:
    transport = Transport(QUICK)

    if safe:
        transport.require_safe(url, "registry.example")
        return
    with pytest.raises(RegistryError, match="where nothing is sent"):
        transport.require_safe(url, "registry.example")


async def test_a_redirection_in_a_circle_ends(hostile: Hostile, cache: Cache) -> None:
    layer = hostile.has(CONTENT)
    hostile.answers[digest_of(CONTENT)] = redirect(f"/v2/thing/blobs/{digest_of(CONTENT)}")

    with pytest.raises(RegistryError, match="redirects more than 5 times"):
        await get(hostile.says(manifest_of(layer)), cache)


async def test_proof_of_who_we_are_does_not_follow_a_redirection(
    hostile: Hostile, cache: Cache, tmp_path: Path
) -> None:
    file = tmp_path / "home" / ".docker" / "config.json"
    file.parent.mkdir()
    entry = {"username": "alice", "password": "secret"}
    file.write_text(json.dumps({"auths": {hostile.address: entry}}), encoding="utf-8")

    with Hostile() as storage:
        storage.has(CONTENT)
        layer = hostile.has(CONTENT)
        reference = hostile.says(manifest_of(layer))

        def guarded(answer: Answer) -> Answer:
            def ask(handler: BaseHTTPRequestHandler) -> None:
                if handler.headers["authorization"] is None:
                    body(b"", 401, www_authenticate='Basic realm="x"')(handler)
                else:
                    answer(handler)

            return ask

        hostile.answers["v1"] = guarded(hostile.answers["v1"])
        there = f"http://{storage.address}/{digest_of(CONTENT)}"
        hostile.answers[digest_of(CONTENT)] = guarded(redirect(there))

        assert await get(reference, cache) == digest_of(CONTENT)

    assert [proof for _, path, proof in storage.seen if "sha256" in path] == [None]
    assert hostile.seen[-1][2] is not None


async def test_credentials_are_not_sent_where_a_stranger_says(hostile: Hostile, cache: Cache) -> None:
    for realm in ("http://192.0.2.1/token", "file:///etc/passwd", ""):
        hostile.answers["v1"] = body(b"", 401, www_authenticate=f'Bearer realm="{realm}",service="x"')

        with pytest.raises(RegistryError, match="where no credentials are sent"):
            await get(Reference(hostile.address, "thing", "v1"), cache)


async def test_a_registry_that_is_busy_is_asked_again(hostile: Hostile, cache: Cache) -> None:
    reference = hostile.says(manifest_of(hostile.has(CONTENT)))
    rest, busy = hostile.answers["v1"], iter([429, 503])

    def answer(handler: BaseHTTPRequestHandler) -> None:
        status = next(busy, None)
        (rest if status is None else body(b"", status, retry_after="0"))(handler)

    hostile.answers["v1"] = answer

    assert await get(reference, cache) == digest_of(CONTENT)
    assert sum(path.endswith("/v1") for _, path, _ in hostile.seen) == 3


async def test_a_registry_that_wants_to_be_left_alone_for_long_is_believed(
    hostile: Hostile, cache: Cache
) -> None:
    hostile.answers["v1"] = body(b"", 429, retry_after="3600")

    with pytest.raises(RegistryError, match="is busy, and wants to be asked again in 3600 s"):
        await get(Reference(hostile.address, "thing", "v1"), cache)


async def test_what_a_registry_says_is_shown_without_control_characters(
    hostile: Hostile, cache: Cache
) -> None:
    said = {"errors": [{"code": "DENIED", "message": "\x1b[2Jno\r\nway"}]}
    hostile.answers["v1"] = body(json.dumps(said).encode(), 403)

    with pytest.raises(RegistryError, match=r"DENIED: \[2Jno  way") as caught:
        await get(Reference(hostile.address, "thing", "v1"), cache)

    assert caught.value.status == 403


async def test_several_layers_are_no_component(hostile: Hostile, cache: Cache) -> None:
    layer = hostile.has(CONTENT)

    with pytest.raises(RegistryError, match=r"is not a component: its config is .*, and it has 2 layers"):
        await get(hostile.says(manifest_of(layer, layer)), cache)


async def test_an_image_for_containers_is_no_component(hostile: Hostile, cache: Cache) -> None:
    layer = {**hostile.has(CONTENT), "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"}

    with pytest.raises(RegistryError, match="is not a component"):
        await get(hostile.says(manifest_of(layer)), cache)


async def test_an_upload_is_not_sent_where_a_registry_leads_astray(hostile: Hostile) -> None:
    hostile.answers[""] = body(b"", 202, location="http://192.0.2.1/upload")

    async with Client(QUICK) as client:
        with pytest.raises(RegistryError, match="where nothing is sent"):
            await client.push_blob(Reference(hostile.address, "thing"), Content.of(b"secret"))


async def test_a_config_is_read_only_if_it_is_what_its_digest_says(hostile: Hostile) -> None:
    described = hostile.has(b"{}")
    hostile.answers[digest_of(b"{}")] = body(b"[]")

    async with Client(QUICK) as client:
        with pytest.raises(RegistryError, match="is damaged"):
            await client.document(Reference(hostile.address, "thing"), Descriptor.model_validate(described))


async def test_an_endless_token_is_not_read_to_its_end(hostile: Hostile, cache: Cache) -> None:
    realm = f"http://{hostile.address}/token"
    hostile.answers["v1"] = body(b"", 401, www_authenticate=f'Bearer realm="{realm}",service="x"')
    hostile.answers["token"] = body(b" " * 2**20)

    with pytest.raises(RegistryError, match="gave no token: the answer is larger than"):
        await get(Reference(hostile.address, "thing", "v1"), cache)
