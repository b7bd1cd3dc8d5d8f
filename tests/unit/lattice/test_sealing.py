"""Sealing keys to hosts, and what a configuration makes of an app."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.errors import LatticeError
from wisp.lattice import sealing
from wisp.lattice.configuration import Configuration, Configured, about_key, about_value

# A pair of a seed and a public key of the tests of NATS's own libraries.
NATS_SEED = "SXAKIYZX2POLIHZ5W5YZEWVTH24NLEUETBW3TKIVYRSS3GNHFXO5D4JJZM"
NATS_PUBLIC = "XBUJMZHVOPQ2SK5VD3TY4VNBPVU2YFGRLK6EFPEPSMVDUYEBSROWZCEA"

ONE, OTHER = sealing.Key.of(b"1" * 32), sealing.Key.of(b"2" * 32)


def test_a_public_key_is_written_as_nats_writes_it() -> None:
    raw = base64.b32decode(NATS_SEED + "=" * (-len(NATS_SEED) % 8))

    assert sealing.Key.of(raw[2:-2]).public == NATS_PUBLIC


@given(st.binary(max_size=100), st.text(max_size=20))
def test_what_is_sealed_to_a_key_is_opened_by_it_alone_and_only_as_what_it_is(
    content: bytes, about: str
) -> None:
    sealed = sealing.seal(content, ONE.public, about)

    assert ONE.open(sealed, about) == content
    for key, what, changed in (
        (OTHER, about, sealed),
        (ONE, f"{about}!", sealed),
        (ONE, about, sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ):
        with pytest.raises(LatticeError):
            key.open(changed, what)


@given(st.binary(max_size=100))
def test_a_value_is_decrypted_with_its_key_only_and_not_when_it_was_changed(value: bytes) -> None:
    key, about = b"k" * 32, about_value("shop", "token", "1")
    encrypted = sealing.encrypt(value, key, about)

    assert sealing.decrypt(encrypted, key, about) == value
    for wrong, what, changed in (
        (b"x" * 32, about, encrypted),
        (key, about_value("blog", "token", "1"), encrypted),
        (key, about, encrypted[:-1] + bytes([encrypted[-1] ^ 1])),
        (key, about, b""),
    ):
        with pytest.raises(LatticeError):
            sealing.decrypt(changed, wrong, what)


@given(st.text(max_size=80))
def test_what_is_no_public_key_is_said_to_be_none(text: str) -> None:
    with pytest.raises(LatticeError, match="is not the public part of a key"):
        sealing.seal(b"", text, "")


def test_a_seal_for_one_host_is_about_that_host() -> None:
    assert about_key("shop", "1", "a") != about_key("shop", "1", "b")


def _given(kind: str, text: str) -> dict[str, str | None]:
    return {"value": None, "secret": None, "template": None, kind: text}


LOCKED = {
    "name": "shop",
    "components": {
        "api": {
            "grants": {
                "http": (),
                "config": {
                    "greeting": _given("value", "hi"),
                    "token": _given("secret", "token"),
                    "where": _given("template", "https://{{ host }}/"),
                },
            }
        },
        "search": {"grants": {"http": (), "config": {"greeting": _given("value", "hello")}}},
    },
}


def test_what_was_set_takes_the_place_of_values_that_the_manifest_has_and_of_no_secret() -> None:
    configuration = Configuration(
        app="shop",
        version=1,
        at=0,
        change="",
        values={"greeting": "all", "token": "stolen", "where": "http://here/", "unknown": "x"},
        components={"search": {"greeting": "one"}},
    )

    applied = Configured(configuration, {}).apply(LOCKED)

    components = applied["components"]
    assert isinstance(components, dict)
    api, search = (components[name]["grants"]["config"] for name in ("api", "search"))
    assert api == {
        "greeting": _given("value", "all"),
        "token": _given("secret", "token"),
        "where": _given("value", "http://here/"),
    }
    assert search == {"greeting": _given("value", "one")}
