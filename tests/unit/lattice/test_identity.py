"""Who a host is: keys, certificates, and the files that hold them."""

from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from wisp.errors import LatticeError
from wisp.lattice.membership import certificates
from wisp.lattice.membership.authority import Authority
from wisp.lattice.membership.certificates import Wanted
from wisp.lattice.membership.identity import HostIdentity

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def authority() -> Authority:
    return Authority.make("test")


def given(authority: Authority, folder: Path, host: str = "a", **wanted: object) -> HostIdentity:
    identity = HostIdentity(folder)
    request = identity.request(host, "test")
    identity.keep(authority.issue(request, Wanted(host, "test", **wanted)), authority.certificate)  # type: ignore[arg-type]
    return identity


def shakes_hands(server: HostIdentity, client: HostIdentity, name: str) -> str:
    """Let two hosts speak TLS, each sure of the other, and return whom the server sees."""
    ends = []
    for identity, purpose in ((server, ssl.Purpose.CLIENT_AUTH), (client, ssl.Purpose.SERVER_AUTH)):
        context = ssl.create_default_context(purpose, cafile=identity.folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(identity.folder / "host.pem", identity.folder / "host.key")
        ends.append(context)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    answering = ends[0].wrap_bio(to_server, to_client, server_side=True)
    asking = ends[1].wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for end in (asking, answering):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    seen = answering.getpeercert()
    assert seen is not None
    [name] = dict(seen["subjectAltName"]).values()  # type: ignore[arg-type]
    return str(name)


def test_two_hosts_of_a_lattice_prove_themselves_to_each_other(authority: Authority, tmp_path: Path) -> None:
    a, b = given(authority, tmp_path / "a"), given(authority, tmp_path / "b", "b")

    assert shakes_hands(a, b, "a.test.wisp.internal") == "b.test.wisp.internal"
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shakes_hands(a, b, "c.test.wisp.internal")


def test_a_host_of_another_authority_with_the_same_name_is_nobody(
    authority: Authority, tmp_path: Path
) -> None:
    a = given(authority, tmp_path / "a")
    stranger = given(Authority.make("test"), tmp_path / "b", "b")

    with pytest.raises(ssl.SSLError, match="certificate verify failed"):
        shakes_hands(a, stranger, "a.test.wisp.internal")


def test_the_files_say_who_the_host_is_and_only_its_user_reads_the_key(
    authority: Authority, tmp_path: Path
) -> None:
    identity = given(authority, tmp_path / "a", addresses=("10.0.0.1", "nats.example.com"))

    facts = identity.facts()

    assert facts is not None
    assert (facts.host, facts.lattice, facts.addresses) == ("a", "test", ("10.0.0.1", "nats.example.com"))
    assert timedelta(days=6) < facts.ends - datetime.now(UTC) <= timedelta(days=7)
    assert stat.S_IMODE((tmp_path / "a" / "host.key").stat().st_mode) == 0o600
    assert not (tmp_path / "a" / "next.key").exists()


def test_a_host_that_died_between_certificate_and_key_puts_the_pair_together(
    authority: Authority, tmp_path: Path
) -> None:
    identity = given(authority, tmp_path)
    certificate = authority.issue(identity.request("a", "test"), Wanted("a", "test"))
    (tmp_path / "host.pem").write_bytes(certificate)  # and no more than that

    assert identity.facts() is not None

    assert shakes_hands(identity, identity, "a.test.wisp.internal") == "a.test.wisp.internal"


def test_a_request_that_was_not_answered_leaves_the_host_as_it_was(
    authority: Authority, tmp_path: Path
) -> None:
    identity = given(authority, tmp_path)
    before = identity.facts()

    identity.request("a", "test")

    assert identity.facts() == before


def test_a_certificate_for_another_key_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = HostIdentity(tmp_path / "other").request("a", "test")
    identity = given(authority, tmp_path / "a")
    identity.request("a", "test")

    with pytest.raises(LatticeError, match="another key"):
        identity.keep(authority.issue(other, Wanted("a", "test")), authority.certificate)


def test_a_certificate_cannot_be_had_for_the_name_of_another_host() -> None:
    assert certificates.require_addresses(["10.0.0.1", "nats.example.com"]) == (
        "10.0.0.1",
        "nats.example.com",
    )
    for address in ("b.test.wisp.internal", "B.TEST.WISP.INTERNAL.", "*.example.com", ""):
        with pytest.raises(LatticeError, match="cannot be had"):
            certificates.require_addresses([address])


def test_names_as_long_as_they_may_be_have_certificates(tmp_path: Path) -> None:
    name = "n" * 63
    authority, identity = Authority.make(name), HostIdentity(tmp_path)
    request = identity.request(name, name)

    facts = identity.keep(authority.issue(request, Wanted(name, name)), authority.certificate)

    assert (facts.host, facts.lattice) == (name, name)


def test_a_request_that_is_not_signed_by_its_own_key_is_refused(authority: Authority, tmp_path: Path) -> None:
    request = HostIdentity(tmp_path).request("a", "test")
    lines = request.decode().splitlines()
    lines[-2] = lines[-2][:8] + ("AAAA" if lines[-2][8:12] != "AAAA" else "BBBB") + lines[-2][12:]

    with pytest.raises(LatticeError, match="request for a certificate"):
        authority.issue("\n".join(lines).encode(), Wanted("a", "test"))


def test_an_authority_opens_with_its_secret_only(authority: Authority) -> None:
    sealed = authority.seal(b"the secret")

    assert Authority.unseal(sealed, b"the secret") == authority
    assert authority.operator.seed.encode() not in sealed
    assert b"PRIVATE KEY" not in sealed
    with pytest.raises(LatticeError, match="does not open"):
        Authority.unseal(sealed, b"another secret")
    with pytest.raises(LatticeError, match="does not open"):
        Authority.unseal(sealed.replace(b'"lattice": "test"', b'"lattice": "best"'), b"the secret")
