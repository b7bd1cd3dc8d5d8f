"""Bills of materials that refer to what was pushed, in a registry that lists referrers and in one that does not."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.guests.build import component
from tests.integration.cli.program import wisp
from tests.integration.registry.registries import programs
from tests.integration.registry.test_commands import pushed, shop
from wisp.manifest.references import parse_reference
from wisp.registry.oci import documents, referrers
from wisp.registry.oci.access import Access
from wisp.registry.oci.client import Client
from wisp.registry.sbom import MEDIA_TYPE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.registry.registries import Registry

pytestmark = pytest.mark.timeout(300)  # each starts many programs


@pytest.fixture(scope="session")
def hello() -> Path:
    """Return a component that serves HTTP."""
    return component("http2")


def built_by_command(folder: Path, hello: Path) -> Path:
    """Return an app whose component is built by a command beside lock files."""
    shop(folder, hello)
    manifest = (folder / "wisp.toml").read_text(encoding="utf-8")
    build = '[component.web.build]\ncommand = "true"\n'
    (folder / "wisp.toml").write_text(f"{manifest}\n{build}", encoding="utf-8")
    (folder / "go.sum").write_text("example.com/a v1.0.0 h1:x=\n", encoding="utf-8")
    return folder


async def test_an_app_is_pushed_with_its_bill_and_pushing_again_changes_nothing(
    registry: Registry, tmp_path: Path, hello: Path
) -> None:
    folder, reference = built_by_command(tmp_path / "shop", hello), f"{registry.address}/bills/shop:1"
    first, again = pushed(folder, reference), pushed(folder, reference)

    done, made = wisp("sbom", reference), wisp("sbom", folder)

    assert done.returncode == 0, done.stderr
    assert done.stdout == made.stdout
    assert first["sbom"] == again["sbom"] is not None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(done.stdout) is None
    data = json.loads(done.stdout)
    names = {one["name"] for one in data["components"]}
    assert names == {"web", "example.com/a"}
    made_by = next(one for one in data["components"] if one["name"] == "web")["properties"]
    assert any(one["value"].startswith("rustc") for one in made_by)
    async with Client(Access()) as client:
        artifact = parse_reference(reference).at(str(first["digest"]))
        [listed] = await referrers.listed(client, artifact)
        tagged = await referrers.tagged(client, referrers.tag(artifact))
    assert listed.digest == first["sbom"]
    assert (tagged is None) == (
        await lists_referrers(artifact.registry, artifact.repository, artifact.target)
    )


async def lists_referrers(registry: str, repository: str, digest: str) -> bool:
    reference = parse_reference(f"{registry}/{repository}@{digest}")
    async with Client(Access()) as client:
        return await client.listing(reference, "") is not None


def test_oras_finds_the_bill(registry: Registry, tmp_path: Path, hello: Path) -> None:
    reference = f"{registry.address}/bills/hello:1"
    said = pushed(hello, reference)

    found = subprocess.run(
        [programs() / "oras", "discover", "--plain-http", "--format", "json", reference],
        capture_output=True,
        text=True,
        check=True,
    )

    data = json.loads(found.stdout)
    listed = data.get("referrers") or data.get("manifests")
    assert [one["digest"] for one in listed] == [said["sbom"]]
    # This one lists the type of the config, which says nothing.
    assert listed[0]["artifactType"] in {MEDIA_TYPE, documents.EMPTY}


def test_no_bill_is_pushed_when_none_is_wanted_and_that_is_said(
    registry: Registry, tmp_path: Path, hello: Path
) -> None:
    reference = f"{registry.address}/bills/none:1"

    assert pushed(hello, reference, "--no-sbom")["sbom"] is None
    done = wisp("sbom", reference)

    assert done.returncode == 1
    assert "has no bill of materials" in done.stderr
    assert "hint: `wisp push` adds one" in done.stderr


async def test_a_list_that_others_add_to_keeps_what_they_added(docker: Registry, hello: Path) -> None:
    reference = f"{docker.address}/bills/several:1"
    said = pushed(hello, reference)
    async with Client(Access()) as client:
        subject = await client.manifest(parse_reference(reference))
        before = await client.manifest(referrers.tag(subject.reference))
        index = json.loads(before.content)
        index["manifests"][0]["urls"] = ["https://example.com/kept"]
        content = json.dumps(index).encode()
        await client.push_manifest(referrers.tag(subject.reference), content, index["mediaType"])

        await referrers.attach(client, subject, b"{}", "application/vnd.example.note+json", {})

        after = json.loads((await client.manifest(referrers.tag(subject.reference))).content)
    assert after["manifests"][0]["digest"] == said["sbom"]
    assert after["manifests"][0]["urls"] == ["https://example.com/kept"]
    assert len(after["manifests"]) == 2
