"""Host patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.manifest.hosts import parse_host


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("example.com", "example.com"),
        ("API.Example.COM", "api.example.com"),
        ("*.example.com", "*.example.com"),
        ("localhost", "localhost"),
        ("under_score.example", "under_score.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("[0:0::1]", "[::1]"),
    ],
)
def test_a_host_is_kept_in_lower_case(text: str, host: str) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..b",
        "-a.b",
        "a-.b",
        "*",
        "*.*.a",
        "a.*",
        "a b",
        "a" * 64 + ".b",
        "a." * 127 + "a",
        "[::1",
        "[fe80::1%eth0]",
        "[1.2.3.4]",
        "\u2028.de",
        "ß" * 70,
    ],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_host(text)


@given(
    st.one_of(
        st.text(max_size=20), st.from_regex(r"(\*\.)?[a-z0-9-]{1,5}(\.[A-Z0-9_]{1,5}){0,3}", fullmatch=True)
    )
)
def test_a_host_is_refused_or_canonical(text: str) -> None:
    try:
        host = parse_host(text)
    except ValueError:
        return

    assert parse_host(host) == host
    assert host.isascii()
    assert host == host.lower()
