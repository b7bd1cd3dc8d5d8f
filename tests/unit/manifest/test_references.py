"""References: Docker's grammar, but for names that do not say which registry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.manifest.references import Reference, is_reference, parse_reference

DIGEST = f"sha256:{'ab' * 32}"

LABEL = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,5}[a-zA-Z0-9])?", fullmatch=True)
REGISTRY = st.one_of(
    st.lists(LABEL, min_size=2, max_size=3).map(".".join),
    st.sampled_from(["localhost", "[::1]", "127.0.0.1", "REGISTRY"]),
).flatmap(lambda host: st.one_of(st.just(host), st.integers(1, 65535).map(lambda port: f"{host}:{port}")))
WORD = st.from_regex(r"[a-z0-9]{1,4}(([._]|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True)
REFERENCES = st.builds(
    Reference,
    registry=REGISTRY.filter(lambda registry: not registry.endswith("docker.io")),
    repository=st.lists(WORD, min_size=1, max_size=3).map("/".join),
    tag=st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    digest=st.none() | st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True),
)


@given(REFERENCES)
def test_a_reference_is_read_as_it_was_written(reference: Reference) -> None:
    assert parse_reference(str(reference)) == reference
    assert parse_reference(f"oci://{reference}") == reference


@given(st.text(max_size=60) | st.text("abc:/@.-_0AZ[]", max_size=30))
def test_any_text_is_a_reference_or_is_refused_with_a_reason(text: str) -> None:
    if is_reference(text):
        reference = parse_reference(text)
        assert parse_reference(str(reference)) == reference
    else:
        with pytest.raises(ValueError, match=r"\w"):
            parse_reference(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ghcr.io/acme/auth", Reference("ghcr.io", "acme/auth")),
        ("ghcr.io/acme/auth:1.2", Reference("ghcr.io", "acme/auth", "1.2")),
        ("localhost/auth", Reference("localhost", "auth")),
        ("localhost:5000/auth:1", Reference("localhost:5000", "auth", "1")),
        ("[::1]:5000/auth", Reference("[::1]:5000", "auth")),
        (f"ghcr.io/a@{DIGEST}", Reference("ghcr.io", "a", None, DIGEST)),
        (f"oci://ghcr.io/a:1@{DIGEST}", Reference("ghcr.io", "a", "1", DIGEST)),
        ("docker.io/hello", Reference("docker.io", "library/hello")),
        ("index.docker.io/acme/hello:1", Reference("docker.io", "acme/hello", "1")),
    ],
)
def test_the_parts_of_a_reference_are_told_apart(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not say which registry"),
        ("hello", "does not say which registry; .*, or docker.io/hello"),
        ("acme/hello:1", "does not say which registry; .*, or docker.io/acme/hello"),
        ("localhost:5000", "does not say which registry"),
        ("ghcr.io/", "is not the name of a repository"),
        ("ghcr.io/Acme/auth", 'names are in lower case: "acme/auth"'),
        ("ghcr.io/acme//auth", "is not the name of a repository"),
        ("ghcr.io/acme/auth:", '"" is not a tag'),
        ("ghcr.io/acme/auth:-x", '"-x" is not a tag'),
        (f"ghcr.io/acme/auth:{'x' * 129}", "is not a tag"),
        ("ghcr.io/acme/auth@sha256:abc", "expected a digest behind the @"),
        (f"ghcr.io/acme/auth@sha512:{'a' * 128}", "expected a digest behind the @"),
        ("./x/y", "is not the host of a registry"),
        ("-a.b/x", "is not the host of a registry"),
        (f"a.b/{'x/' * 126}xx", "at most 255 characters"),
        ("https://ghcr.io/a", "is not the host of a registry"),
        ("oci://hello", "does not say which registry"),
        ("ghcr.io/a\n", "is not the name of a repository"),
    ],
)
def test_what_is_no_reference_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_reference(text)


def test_a_reference_without_tag_and_digest_means_the_latest() -> None:
    assert parse_reference("ghcr.io/a").target == "latest"
    assert parse_reference("ghcr.io/a:1").target == "1"
    assert parse_reference("ghcr.io/a:1").at(DIGEST).target == DIGEST
