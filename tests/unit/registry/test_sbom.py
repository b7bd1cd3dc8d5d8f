"""The bill of materials follows CycloneDX 1.6, and is the same for the same app."""

from __future__ import annotations

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from wisp.build.packages import Package
from wisp.registry import sbom

DIGEST = f"sha256:{'a' * 64}"
PARTS = (
    sbom.Part(
        "web",
        DIGEST,
        {"language": ("Rust",), "processed-by": ("rustc 1.95.0", "wit-component 0.240.0")},
        (
            Package("cargo", "serde", "1.0.1", f"SHA-256:{'b' * 64}"),
            Package("npm", "@types/node", "24.0.0"),
        ),
    ),
    sbom.Part("auth", DIGEST, {}, (Package("cargo", "serde", "1.0.1"),), "oci://ghcr.io/acme/auth:1.2"),
)


def test_it_is_valid() -> None:
    content = sbom.document("shop", "1.2.0", "Sells things", PARTS).decode()

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(content) is None


def test_it_says_what_consists_of_what() -> None:
    data = json.loads(sbom.document("shop", "1.2.0", "", PARTS))

    assert data["metadata"]["component"]["name"] == "shop"
    named = {one["bom-ref"]: one for one in data["components"]}
    assert set(named) == {
        "component:web",
        "component:auth",
        "pkg:cargo/serde@1.0.1",
        "pkg:npm/%40types/node@24.0.0",
    }
    assert named["component:web"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert {"name": "wisp:producers:processed-by", "value": "rustc 1.95.0"} in named["component:web"][
        "properties"
    ]
    assert named["component:auth"]["externalReferences"][0]["url"] == "oci://ghcr.io/acme/auth:1.2"
    uses = {one["ref"]: one.get("dependsOn", []) for one in data["dependencies"]}
    assert uses["app"] == ["component:web", "component:auth"]
    assert uses["component:auth"] == ["pkg:cargo/serde@1.0.1"]


def test_the_same_app_has_the_same_document_and_another_has_another_number() -> None:
    first, again, other = (
        sbom.document("shop", version, "", PARTS) for version in ("1.2.0", "1.2.0", "1.2.1")
    )

    assert first == again
    assert json.loads(first)["serialNumber"] != json.loads(other)["serialNumber"]
