"""What is signed, and what is not taken for a signature."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.errors import SignatureError
from wisp.registry.signing import statements
from wisp.registry.signing.evidence import Evidence
from wisp.registry.signing.keys import PrivateKey
from wisp.registry.signing.statements import Signature, bundle, judge

OURS, THEIRS = PrivateKey.generate("ours"), PrivateKey.generate("theirs")
DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def signed(**change: object) -> Signature:
    """Return a bundle whose statement was changed before it was signed."""
    document = json.loads(bundle(DIGEST, OURS))
    envelope = document["dsseEnvelope"]
    statement = json.loads(base64.b64decode(envelope["payload"])) | change
    payload = json.dumps(statement).encode()
    kind = envelope["payloadType"].encode()
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    envelope["payload"] = base64.b64encode(payload).decode()
    envelope["signatures"] = [{"sig": base64.b64encode(OURS.sign(message)).decode()}]
    return Signature("bundle", json.dumps(document).encode())


def test_a_bundle_says_which_of_the_keys_has_signed() -> None:
    found = Signature("bundle", bundle(DIGEST, OURS))

    assert judge(found, DIGEST, [THEIRS.public, OURS.public]) is OURS.public


def test_the_key_of_somebody_else_is_not_enough() -> None:
    found = Signature("bundle", bundle(DIGEST, THEIRS))

    with pytest.raises(SignatureError, match="with none of the keys that are trusted"):
        judge(found, DIGEST, [OURS.public])


def test_a_signature_of_something_else_is_refused() -> None:
    with pytest.raises(SignatureError, match=f"is of something else: {DIGEST}"):
        judge(signed(), OTHER, [OURS.public])


@pytest.mark.parametrize(
    "change",
    [
        {"predicateType": "https://cyclonedx.org/bom"},
        {"_type": "https://example.com/Statement"},
        {"subject": []},
    ],
)
def test_what_else_a_key_has_signed_about_an_artifact_is_not_its_signature(change: dict[str, object]) -> None:
    with pytest.raises(SignatureError, match="is of something else: nothing"):
        judge(signed(**change), DIGEST, [OURS.public])


def test_a_payload_of_another_type_is_refused_although_its_bytes_were_signed() -> None:
    document = json.loads(bundle(DIGEST, OURS))
    document["dsseEnvelope"]["payloadType"] = "text/plain"

    with pytest.raises(SignatureError, match="with none of the keys"):
        judge(Signature("bundle", json.dumps(document).encode()), DIGEST, [OURS.public])


def older(key: PrivateKey, digest: str = DIGEST, kind: str = "cosign container image signature") -> Signature:
    content = {
        "critical": {
            "identity": {"docker-reference": ""},
            "image": {"docker-manifest-digest": digest},
            "type": kind,
        },
        "optional": None,
    }
    payload = json.dumps(content).encode()
    return Signature("older", payload, key.sign(payload))


def test_older_signatures_are_judged_in_the_same_way() -> None:
    assert judge(older(OURS), DIGEST, [OURS.public]) is OURS.public
    for found, why in [
        (older(THEIRS), "with none of the keys"),
        (older(OURS, OTHER), f"is of something else: {OTHER}"),
        (older(OURS, kind="something"), "is of something else: nothing"),
        (Signature("older", b"{}", b""), "cannot be read"),
    ]:
        with pytest.raises(SignatureError, match=why):
            judge(found, DIGEST, [OURS.public])


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    JSON, st.sampled_from(["bundle", "older"]), st.sampled_from(["", "dsseEnvelope", "critical", "mediaType"])
)
def test_whatever_is_found_an_error_of_ours_comes_of_it(value: object, kind: Any, key: str) -> None:
    document = json.loads(bundle(DIGEST, OURS))
    written = json.dumps(document | {key: value} if key else value).encode()

    with pytest.raises(SignatureError):
        judge(Signature(kind, written, b""), OTHER, [OURS.public])


def index_of(digest: str) -> bytes:
    one = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 2}
    return json.dumps({"schemaVersion": 2, "manifests": [one]}).encode()


def test_evidence_is_the_same_after_it_was_written_and_read() -> None:
    evidence = Evidence((b"{}",), (signed(), older(OURS)))

    assert Evidence.read(evidence.to_bytes()) == evidence
    for broken in (b"", b"{}", b'{"schema":1,"manifests":[],"signatures":[]}', evidence.to_bytes()[:-2]):
        with pytest.raises(SignatureError, match="cannot be read"):
            Evidence.read(broken)


def test_the_signature_of_an_index_is_one_of_what_the_index_names_and_of_nothing_else() -> None:
    inside = b"{}"
    index = index_of(Evidence((inside,), ()).digest)
    signature = Signature("bundle", bundle(Evidence((index,), ()).digest, OURS))

    assert Evidence((index, inside), (signature,)).signer([OURS.public]) is OURS.public
    with pytest.raises(SignatureError, match="does not name it"):
        Evidence((index, b"{} "), (signature,)).signer([OURS.public])


def test_what_is_not_signed_is_said_to_be_not_signed() -> None:
    with pytest.raises(SignatureError, match="it is not signed"):
        Evidence((b"{}",), ()).signer([OURS.public])


def test_one_good_signature_among_bad_ones_is_enough() -> None:
    inside = b"{}"
    good = Signature("bundle", bundle(Evidence((inside,), ()).digest, OURS))
    bad = Signature("bundle", b"no JSON")

    assert Evidence((inside,), (bad, older(THEIRS), good)).signer([OURS.public]) is OURS.public


def test_bundles_are_of_the_version_that_cosign_reads() -> None:
    assert json.loads(bundle(DIGEST, OURS))["mediaType"] == statements.BUNDLE
