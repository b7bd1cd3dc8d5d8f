"""Beginning a lattice, and going on with one from the time when its NATS asked for a token."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from wisp.errors import LatticeError
from wisp.host.address import Address
from wisp.lattice.membership import founding
from wisp.lattice.membership.access import Access
from wisp.lattice.membership.certificates import LIFETIME
from wisp.lattice.membership.holding import Holding
from wisp.lattice.membership.papers import Papers, Place
from wisp.lattice.nats.connection import connect
from wisp.lattice.nats_server.guarding import Secured
from wisp.lattice.nats_server.server import Server
from wisp.lattice.state import State

if TYPE_CHECKING:
    from pathlib import Path

ANY = Address("127.0.0.1", 0)


@pytest.fixture
def holding(tmp_path: Path) -> Holding:
    return Holding(tmp_path / "authority", tmp_path / "keys" / "secret")


async def test_a_lattice_that_had_a_token_keeps_all_it_had(holding: Holding, tmp_path: Path) -> None:
    before = await Server.start(tmp_path / "nats", ANY)
    async with connect(before.url, name="a test") as connection:
        lattice = await State.make(connection, "test")
        identity = await lattice.founded()
        revision = await lattice.desired.put("drain.a", b"{}")
        digest = await lattice.objects.put(b"a component" * 50_000)
    await before.stop()
    desk = founding.desk(holding, "test", LIFETIME)
    papers = Papers(tmp_path / "identity", "a")

    taken = [founding.take_over(tmp_path / "nats", desk.authority.account.public) for _ in range(2)]

    founding.give_papers(desk, papers, Place(("127.0.0.1",)), ())
    trust = papers.trust()
    assert trust is not None
    after = await Server.start(tmp_path / "nats", ANY, Secured("a", papers.folder, trust))
    try:
        async with connect(after.url, name="a test", access=papers.access) as connection:
            lattice = await State.open(connection, "test")
            found = await lattice.desired.get("drain.a")
            assert taken == [True, False]
            assert lattice.identity == identity
            assert found is not None
            assert found.revision == revision
            assert len(await lattice.objects.get(digest)) == 550_000
        with pytest.raises(LatticeError):
            async with connect(before.url.rpartition(":")[0] + f":{after.address.port}", name="a test"):
                pass
    finally:
        await after.stop()


def test_the_data_of_another_authority_are_taken_over_where_there_is_one_and_no_cluster(
    tmp_path: Path,
) -> None:
    data = tmp_path / "jetstream" / "jetstream"
    (data / "SYSTEM" / "_js_" / "_meta_").mkdir(parents=True)
    begun = founding.take_over(tmp_path, "NEW")  # a cluster that waits for its other servers
    (data / "OLD" / "streams").mkdir(parents=True)
    clustered = founding.take_over(tmp_path, "NEW")
    shutil.rmtree(data / "SYSTEM")

    taken = [founding.take_over(tmp_path, "NEW") for _ in range(2)]

    assert (begun, clustered, taken) == (False, False, [True, False])
    assert [one.name for one in data.iterdir()] == ["NEW"]
    assert not founding.take_over(tmp_path / "elsewhere", "NEW")


def test_the_authority_and_papers_are_made_once(holding: Holding, tmp_path: Path) -> None:
    papers = Papers(tmp_path / "identity", "a")
    for _ in range(2):
        desk = founding.desk(holding, "test", LIFETIME)
        founding.give_papers(desk, papers, None, ("tls://127.0.0.1:1",))
        operator = founding.give_operator(desk, tmp_path)

    kinds = sorted(record.role for record in holding.admitted().values())
    assert kinds == ["host", "operator"]
    assert operator.read_bytes() == (tmp_path / "operator.creds").read_bytes()
    assert papers.access == Access(
        credentials=tmp_path / "identity" / "nats.creds", ca=tmp_path / "identity" / "ca.pem", tls_first=True
    )


def test_an_authority_without_its_secret_is_not_used(holding: Holding, tmp_path: Path) -> None:
    founding.desk(holding, "test", LIFETIME)
    elsewhere = Holding(holding.folder, tmp_path / "other")

    with pytest.raises(LatticeError, match="cannot be read"):
        elsewhere.open()
    (tmp_path / "other").write_text("short", encoding="ascii")
    with pytest.raises(LatticeError, match="shorter than"):
        elsewhere.open()
    (tmp_path / "other").write_text("another pass phrase", encoding="ascii")
    with pytest.raises(LatticeError, match="does not open"):
        elsewhere.open()
    with pytest.raises(LatticeError, match="that of the lattice test"):
        founding.desk(holding, "best", LIFETIME)


def test_a_certificate_that_no_longer_fits_is_replaced_when_the_host_starts(
    holding: Holding, tmp_path: Path
) -> None:
    desk, papers = founding.desk(holding, "test", LIFETIME), Papers(tmp_path / "identity", "a")
    founding.give_papers(desk, papers, Place(("127.0.0.1",)), ())
    before = papers.identity.certificate()

    founding.give_papers(desk, papers, Place(("127.0.0.1",)), ())
    same = papers.identity.certificate()
    founding.give_papers(desk, papers, Place(("10.0.0.1",)), ())

    facts = papers.facts()
    assert same == before
    assert facts is not None
    assert facts.addresses == ("10.0.0.1",)
