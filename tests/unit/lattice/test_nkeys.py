"""Keys of NATS, and what is signed with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.errors import LatticeError
from wisp.lattice.membership import claims, nkeys
from wisp.lattice.membership.authority import Authority
from wisp.lattice.membership.nkeys import KeyPair

# The pair that NATS's own documentation shows.
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def test_a_seed_gives_the_public_key_that_others_get_from_it() -> None:
    assert KeyPair.read(SEED).public == PUBLIC


@pytest.mark.parametrize(("kind", "letter"), [("user", "U"), ("account", "A"), ("operator", "O")])
def test_a_key_says_what_it_is_for(kind: nkeys.Kind, letter: str) -> None:
    pair = KeyPair.make(kind)

    assert (pair.public[0], pair.seed[:2]) == (letter, f"S{letter}")
    assert KeyPair.read(pair.seed) == pair
    assert nkeys.require_public(pair.public, kind) == pair.public
    with pytest.raises(LatticeError):
        nkeys.require_public(pair.public, "account" if kind == "user" else "user")


@given(st.integers(0, 57), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_slip_of_the_pen_is_noticed_and_the_seed_is_not_told(place: int, letter: str) -> None:
    wrong = SEED[:place] + letter + SEED[place + 1 :]
    if wrong != SEED:
        with pytest.raises(LatticeError) as raised:
            KeyPair.read(wrong)
        assert wrong[4:] not in str(raised.value)


@given(st.text(max_size=80))
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(LatticeError):
        KeyPair.read(text)


def test_a_signature_is_of_its_content_and_its_key_only() -> None:
    pair = KeyPair.make("user")
    signature = pair.sign(b"nonce")

    assert nkeys.verified(pair.public, signature, b"nonce")
    assert not nkeys.verified(pair.public, signature, b"another")
    assert not nkeys.verified(KeyPair.make("user").public, signature, b"nonce")


def test_the_claims_of_an_account_are_believed_of_its_operator_only() -> None:
    mine, other = Authority.make("test"), Authority.make("test")
    found = claims.read_account(mine.account_claims({PUBLIC: 5}, ["b"]), mine.operator.public)

    assert (found.public, found.revoked, found.gone) == (mine.account.public, {PUBLIC: 5}, frozenset("b"))
    with pytest.raises(LatticeError, match="not signed"):
        claims.read_account(other.account_claims({}, ()), mine.operator.public)
    head, body, signature = mine.account_claims({}, ()).split(".")
    for text in ("", "a.b.c", f"{head}.{body[:-4]}.{signature}", f"{head}.{body}.", mine.operator_claims()):
        with pytest.raises(LatticeError):
            claims.read_account(text, mine.operator.public)
