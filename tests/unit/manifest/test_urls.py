"""Addresses of components that are fetched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.manifest.urls import parse_url


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.wasm",
        "https://example.com:8443/a.wasm?version=1",
        "https://[2001:db8::1]/a.wasm",
        "http://localhost:8000/a.wasm",
        "http://127.0.0.1/a.wasm",
        "http://[::1]:80/a.wasm",
    ],
)
def test_what_is_encrypted_or_local_may_be_fetched(url: str) -> None:
    assert parse_url(url) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/a.wasm", 'is not encrypted; write "https://"'),
        ("http://10.0.0.1/a.wasm", "is not encrypted"),
        ("http://localhost.example.com/a.wasm", "is not encrypted"),
        ("ftp://example.com/a.wasm", "expected a URL such as"),
        ("file:///etc/passwd", "expected a URL such as"),
        ("example.com/a.wasm", "expected a URL such as"),
        ("https:///a.wasm", "expected a URL such as"),
        ("https://user@example.com/a.wasm", "must not carry a user"),
        ("https://:secret@example.com/a.wasm", "must not carry a user"),
        ("https://example.com/a.wasm#part", "white space or a fragment"),
        ("https://example.com/a b", "white space or a fragment"),
        ("https://example.com:99999/a", "is not a URL"),
        ("https://[::1/a", "is not a URL"),
    ],
)
def test_anything_else_may_not(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_url(url)


def test_a_refused_secret_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="user or password") as caught:
        parse_url("https://me:hunter2@example.com/a.wasm")

    assert "hunter2" not in str(caught.value)


@given(st.text())
def test_whatever_is_written_is_an_address_or_refused(text: str) -> None:
    try:
        accepted = parse_url(text)
    except ValueError:
        return

    assert accepted.lower().startswith(("http://", "https://"))
