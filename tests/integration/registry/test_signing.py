"""Signatures: what we sign cosign verifies, what cosign signs we verify, and a policy lets in nothing else.

cosign is the real one, without its transparency log: `--signing-config` with no services, and `--insecure-ignore-tlog`.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.guests.build import component
from tests.integration.cli.program import WISP, serving, wisp
from tests.integration.registry.registries import ROOT, docker_registry
from tests.integration.registry.test_commands import answer, app_with_source, pushed, shop
from wisp.manifest.references import parse_reference
from wisp.registry.oci import referrers
from wisp.registry.oci.access import Access
from wisp.registry.oci.client import Client
from wisp.registry.signing import statements

if TYPE_CHECKING:
    from tests.integration.registry.registries import Registry

PASSWORD = {"COSIGN_PASSWORD": "secret"}
OTHER_PASSWORD = {"COSIGN_PASSWORD": "other"}
_COSIGN_REFUSES = 1
pytestmark = pytest.mark.timeout(300)  # each starts many programs
POLICY = '[[trust]]\nname = "{name}"\nkeys = ["{key}.pub"]\n'


@functools.cache
def program() -> Path:
    """Return cosign."""
    script = subprocess.run([ROOT / "scripts" / "cosign.sh"], stdout=subprocess.PIPE, text=True, check=True)
    return Path(script.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module", autouse=True)
def program_is_here(brought: None) -> None:
    """Bring cosign before a test says that its home is elsewhere."""
    program()


@pytest.fixture(scope="session")
def hello() -> Path:
    """Return a component that serves HTTP."""
    return component("http2")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a pair that we have made and one that cosign has."""
    folder = tmp_path_factory.mktemp("keys")
    assert wisp("key", "new", "ours", folder=folder, **PASSWORD).returncode == 0
    cosign("generate-key-pair", "--output-key-prefix", "theirs", folder=folder)
    cosign("signing-config", "create", "--out", "no-services.json", folder=folder)
    return folder


def cosign(*words: str | Path, folder: Path, code: int = 0) -> str:
    done = subprocess.run(
        [program(), *words],
        cwd=folder,
        env={**os.environ, **PASSWORD},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def signed(reference: str, key: str, folder: Path) -> dict[str, object]:
    done = wisp("sign", reference, "--key", f"{key}.key", "--json", folder=folder, **PASSWORD)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def verified(reference: str, key: str, folder: Path) -> dict[str, object]:
    done = wisp("verify", reference, "--key", f"{key}.pub", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def refused(reference: str, key: str, folder: Path) -> str:
    done = wisp("verify", reference, "--key", f"{key}.pub", folder=folder)
    assert done.returncode == 1, done.stdout
    return done.stderr


def cosign_verify(reference: str, key: str, folder: Path, code: int = 0, *, algorithm: str = "sha256") -> str:
    options = (
        "--insecure-ignore-tlog=true",
        "--allow-http-registry",
        "--signature-digest-algorithm",
        algorithm,
    )
    return cosign("verify", "--key", f"{key}.pub", *options, reference, folder=folder, code=code)


@pytest.mark.parametrize("key", ["ours", "theirs"])
def test_cosign_verifies_what_we_sign_with_a_key_of_ours_and_of_its_own(
    registry: Registry, keys: Path, hello: Path, key: str
) -> None:
    reference = f"{registry.address}/signed/{key}:1"
    digest = pushed(hello, reference)["digest"]

    assert signed(reference, key, keys)["digest"] == digest

    assert str(digest) in cosign_verify(reference, key, keys)
    other = {"ours": "theirs", "theirs": "ours"}[key]
    assert "no matching attestations" in cosign_verify(reference, other, keys, _COSIGN_REFUSES)


@pytest.mark.parametrize("key", ["ours", "theirs"])
def test_we_verify_what_cosign_signs_with_a_key_of_ours_and_of_its_own(
    registry: Registry, keys: Path, hello: Path, key: str
) -> None:
    reference = f"{registry.address}/cosigned/{key}:1"
    digest = pushed(hello, reference)["digest"]
    assert "it is not signed" in refused(reference, key, keys)

    words = ("--key", f"{key}.key", "--signing-config", "no-services.json", "--allow-http-registry", "-y")
    cosign("sign", *words, reference, folder=keys)

    found = verified(reference, key, keys)
    assert found["digest"] == digest
    other = {"ours": "theirs", "theirs": "ours"}[key]
    assert "with none of the keys that are trusted for it" in refused(reference, other, keys)


async def test_signatures_of_earlier_cosigns_are_read(registry: Registry, keys: Path, hello: Path) -> None:
    reference = f"{registry.address}/earlier/hello:1"
    digest = str(pushed(hello, reference, "--no-sbom")["digest"])

    words = ("--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=false")
    cosign("sign", "--key", "theirs.key", *words, "--allow-http-registry", "-y", reference, folder=keys)

    async with Client(Access()) as client:
        artifact = parse_reference(reference).at(digest)
        assert await referrers.listed(client, artifact) == ()
        assert await referrers.tagged(client, referrers.tag(artifact, ".sig")) is not None
    assert verified(reference, "theirs", keys)["digest"] == digest
    assert "with none of the keys" in refused(reference, "ours", keys)


async def test_keys_of_other_curves_that_cosign_imports_work_both_ways(
    docker: Registry, tmp_path: Path, keys: Path, hello: Path
) -> None:
    for algorithm, *kind in (
        ("sha384", "EC", "ec_paramgen_curve:P-384"),  # cosign has to be told that of its own signatures, too
        ("sha256", "RSA", "rsa_keygen_bits:3072"),
    ):
        name = kind[0].lower()
        words = ["openssl", "genpkey", "-algorithm", kind[0], "-pkeyopt", kind[1], "-out", f"{name}.pem"]
        subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)  # noqa: ASYNC221 - a test
        cosign("import-key-pair", "--key", f"{name}.pem", "--output-key-prefix", name, folder=tmp_path)
        ours, theirs = f"{docker.address}/kinds/{name}/ours:1", f"{docker.address}/kinds/{name}/theirs:1"
        pushed(hello, ours)
        pushed(hello, theirs)

        signed(ours, name, tmp_path)
        options = (
            "--key",
            f"{name}.key",
            "--signing-config",
            keys / "no-services.json",
            "--allow-http-registry",
            "-y",
        )
        cosign("sign", *options, theirs, folder=tmp_path)

        cosign_verify(ours, name, tmp_path, algorithm=algorithm)
        verified(theirs, name, tmp_path)


async def test_signing_again_changes_nothing_and_signatures_of_several_stand_side_by_side(
    registry: Registry, keys: Path, hello: Path
) -> None:
    reference = f"{registry.address}/several/hello:1"
    digest = str(pushed(hello, reference, "--no-sbom")["digest"])

    first, again = (signed(reference, "ours", keys)["signatures"] for _ in range(2))
    signed(reference, "theirs", keys)
    words = ("--signing-config", "no-services.json", "--allow-http-registry", "-y", "--key", "theirs.key")
    cosign("sign", *words, reference, folder=keys)

    assert first == again
    async with Client(Access()) as client:
        listed = await referrers.listed(client, parse_reference(reference).at(digest))
    assert len(listed) == 3
    for key in ("ours", "theirs"):
        verified(reference, key, keys)
        cosign_verify(reference, key, keys)


async def test_a_signature_that_was_copied_from_another_artifact_is_refused(
    registry: Registry, keys: Path, hello: Path, tmp_path: Path
) -> None:
    (module := tmp_path / "module.wasm").write_bytes(b"\0asm\1\0\0\0")
    good, bad = f"{registry.address}/copied/good:1", f"{registry.address}/copied/bad:1"
    pushed(hello, good, "--no-sbom")
    pushed(module, bad, "--no-sbom")
    signed(good, "ours", keys)
    async with Client(Access()) as client:
        source = await client.manifest(parse_reference(good))
        [one] = await referrers.listed(client, source.reference)
        manifest = (await client.manifest(source.reference.at(one.digest))).manifest
        assert hasattr(manifest, "layers")
        bundle = await client.document(source.reference, manifest.layers[0])
        await referrers.attach(
            client, await client.manifest(parse_reference(bad)), bundle, statements.BUNDLE, {}
        )

    said = refused(bad, "ours", keys)

    assert f"its signature, with the key ours.pub, is of something else: {source.digest}" in said


def policy(folder: Path, keys: Path, name: str, key: str = "ours") -> Path:
    path = folder / "policy.toml"
    path.write_text(POLICY.format(name=name, key=keys / key), encoding="utf-8")
    return path


def test_a_policy_lets_only_what_its_key_has_signed_be_pulled(
    registry: Registry, tmp_path: Path, keys: Path, hello: Path
) -> None:
    reference = f"{registry.address}/policies/shop:1"
    pushed(shop(tmp_path / "shop", hello), reference)
    rules = policy(tmp_path, keys, f"{registry.address}/policies/...")
    pull = ("pull", reference, "-o", tmp_path / "back", "--policy", rules)

    unsigned = wisp(*pull)
    signed(reference, "theirs", keys)
    wrong = wisp(*pull)
    signed(reference, "ours", keys)
    right = wisp(*pull)

    assert (unsigned.returncode, wrong.returncode, right.returncode) == (1, 1, 0)
    assert f"{rules}: it is not signed" in unsigned.stderr
    assert f"{rules}: it is signed, but with none of the keys that are trusted for it" in wrong.stderr
    assert f"wants a signature by {keys / 'ours'}.pub" in wrong.stderr
    assert (tmp_path / "back" / "wisp.toml").exists()


def test_the_policy_of_the_user_holds_without_being_named(
    docker: Registry, tmp_path: Path, keys: Path, hello: Path
) -> None:
    reference = f"{docker.address}/default/hello:1"
    pushed(hello, reference)
    own = tmp_path / "home" / ".config" / "wisp"
    own.mkdir(parents=True)
    policy(own, keys, "ghcr.io/acme/...")

    nobody = wisp("pull", reference, folder=tmp_path)
    (own / "policy.toml").write_text(
        f'[[trust]]\nname = "{docker.address}/..."\nunsigned = true\n', encoding="utf-8"
    )
    anybody = wisp("pull", reference, folder=tmp_path)

    assert (nobody.returncode, anybody.returncode) == (1, 0)
    assert "no entry is about it" in nobody.stderr
    assert f'name = "{docker.address}/default/hello"' in nobody.stderr


@pytest.mark.e2e
def test_an_app_is_served_when_it_is_signed_and_by_digest_as_long_as_its_key_is_trusted(
    tmp_path: Path, keys: Path, hello: Path
) -> None:
    with docker_registry(tmp_path / "registry") as registry:
        reference = f"{registry.address}/served/shop"
        digest = pushed(shop(tmp_path / "shop", hello), f"{reference}:1")["digest"]
        rules = policy(tmp_path, keys, reference)
        command: list[str | Path] = [
            WISP,
            "up",
            f"{reference}:1",
            "--listen",
            "127.0.0.1:0",
            "--policy",
            rules,
        ]
        unsigned = wisp(*command[1:])
        signed(f"{reference}:1", "ours", keys)
        with serving(command, folder=tmp_path) as url:
            assert answer(url) == 200

    command[2] = f"{reference}@{digest}"
    with serving(command, folder=tmp_path) as url:
        assert answer(url) == 200, "by digest, without the registry"
    policy(tmp_path, keys, reference, "theirs")
    distrusted = wisp(*command[1:])

    assert unsigned.returncode == distrusted.returncode == 1
    assert "it is not signed" in unsigned.stderr
    assert "cannot be reached" in distrusted.stderr


def test_a_source_of_a_registry_has_to_be_signed_and_what_is_locked_is_asked_about_again(
    docker: Registry, tmp_path: Path, keys: Path, hello: Path
) -> None:
    reference = f"{docker.address}/sources/signed:1"
    pushed(hello, reference)
    folder = app_with_source(tmp_path / "app", f"oci://{reference}")
    assert wisp("build", folder).returncode == 0, "without a policy"
    rules = policy(tmp_path, keys, f"{docker.address}/sources/...")

    unsigned = wisp("build", folder, "--policy", rules)
    signed(reference, "ours", keys)
    right = wisp("build", folder, "--policy", rules)
    asked = len(docker.requests("GET"))
    again = wisp("build", folder, "--policy", rules)

    assert (unsigned.returncode, right.returncode, again.returncode) == (1, 0, 0)
    assert "it is not signed" in unsigned.stderr
    assert len(docker.requests("GET")) == asked, "what is here, and was signed, was asked for again"
    policy(tmp_path, keys, f"{docker.address}/sources/...", "theirs")
    distrusted = wisp("build", folder, "--policy", rules)
    assert distrusted.returncode == 1
    assert "with none of the keys" in distrusted.stderr


def test_wit_of_a_registry_has_to_be_signed(
    docker: Registry, tmp_path: Path, keys: Path, hello: Path
) -> None:
    reference = f"{docker.address}/signed-wit/hello:1"
    pushed(hello, reference)
    rules = policy(tmp_path, keys, "...")

    done = wisp("wit", "add", f"oci://{reference}", "--policy", rules, folder=tmp_path)

    assert done.returncode == 1
    assert "it is not signed" in done.stderr


def test_a_password_that_is_wrong_or_missing_is_said(keys: Path) -> None:
    wrong = wisp("sign", "127.0.0.1:1/x:1", "--key", "theirs.key", folder=keys, **OTHER_PASSWORD)
    environment = {key: value for key, value in os.environ.items() if key != "COSIGN_PASSWORD"}
    missing = subprocess.run(
        [WISP, "sign", "127.0.0.1:1/x:1", "--key", "theirs.key"],
        cwd=keys,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert wrong.returncode == missing.returncode == 1
    assert "the password is not the one that it was encrypted with" in wrong.stderr
    assert "put it into the variable COSIGN_PASSWORD" in missing.stderr


def test_a_key_that_is_there_is_not_overwritten_and_only_its_owner_reads_it(keys: Path) -> None:
    before = (keys / "ours.key").read_bytes()

    done = wisp("key", "new", "ours", folder=keys, **PASSWORD)
    shown = [wisp("key", "show", f"ours.{end}", folder=keys, **PASSWORD).stdout for end in ("key", "pub")]

    assert done.returncode == 1
    assert "ours.key is there already" in done.stderr
    assert (keys / "ours.key").read_bytes() == before
    assert (keys / "ours.key").stat().st_mode & 0o777 == 0o600
    assert shown[0] == shown[1] != ""
