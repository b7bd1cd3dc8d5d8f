"""The next machine, with one pasted line; and everybody who is not let in."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import ssl
import stat
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import manifest_of
from tests.e2e.lattice import Clients, Nats, get
from tests.e2e.machines import HOSTING, Machine
from tests.e2e.wire2 import Connection2
from wisp.errors import LatticeError
from wisp.lattice.membership import certificates, claims
from wisp.lattice.membership.access import OPEN, Access
from wisp.lattice.membership.authority import Authority
from wisp.lattice.membership.claims import Permissions
from wisp.lattice.membership.invitations import PREFIX, Invitation
from wisp.lattice.membership.nkeys import KeyPair
from wisp.lattice.nats.connection import connect
from wisp.lattice.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.host import Host

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def first(tmp_path: Path, cache: Path) -> Machine:
    return Machine(tmp_path, cache, "a")


@pytest.fixture
def second(tmp_path: Path, cache: Path) -> Machine:
    return Machine(tmp_path, cache, "b")


@pytest.fixture
def running(first: Machine) -> Iterator[Host]:
    with first.up() as host:
        host.event("joined")
        yield host


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "wisp.toml").write_text(manifest_of("http2", "/...", {}), encoding="utf-8")
    return folder


def url_of(machine: Machine) -> str:
    return str(json.loads((machine.papers / "known.json").read_bytes())["servers"][0])


def refused(url: str, access: Access) -> str:
    """Try to read the lattice's data, and return why that was not possible."""

    async def attempt() -> None:
        async with connect(url, name="a stranger", access=access) as connection:
            await State.open(connection, "default")

    with pytest.raises(LatticeError) as raised:
        asyncio.run(attempt())
    return str(raised.value)


@pytest.mark.usefixtures("running")
def test_a_machine_joins_with_one_pasted_line_and_takes_its_share(
    first: Machine, second: Machine, app: Path
) -> None:
    with second.join(first.invite()) as host:
        host.event("joined")
        first.wisp("deploy", app, "--replicas", "2")

        assert get(f"{host.url}/hello")[0] == 200
        facts = certificates.read_certificate((second.papers / "host.pem").read_bytes())
        assert "b.default.wisp.internal" in str(facts.extensions)
        for name in ("host.key", "nats.creds", "worker.creds", "known.json"):
            assert stat.S_IMODE((second.papers / name).stat().st_mode) == 0o600

    with second.host() as host:  # which needs no invitation any more
        host.event("joined")


def test_an_invitation_is_used_once_and_ends(first: Machine, second: Machine, running: Host) -> None:
    used, short, named = first.invite(), first.invite("--expires", "1s"), first.invite("--name", "c")
    second.wisp(*used.split()[1:], "--name", "b", "--no-start")
    running.event("let-in")
    for file in (first.folder / "state/default/authority/invitations").glob("*.json"):
        ends = json.loads(file.read_bytes())["expires"]
        if ends < time.time() + 60:
            _wait_until(ends)

    again = second.wisp(*used.split()[1:], "--name", "d", "--no-start", code=1)
    late = second.wisp(*short.split()[1:], "--name", "d", "--no-start", code=1)
    other = second.wisp(*named.split()[1:], "--name", "d", "--no-start", code=1)
    same = second.wisp(*first.invite().split()[1:], "--name", "b", "--no-start", code=1)

    assert "was used already" in again.stderr
    assert "has ended" in late.stderr
    assert "for a host with the name c, not d" in other.stderr
    assert "has joined already" in same.stderr
    second.wisp(*named.split()[1:], "--name", "c", "--no-start")


def _wait_until(moment: float) -> None:
    """Wait for the clock: an invitation that ends is about nothing else."""
    while time.time() <= moment:
        with suppress(TimeoutError):
            asyncio.run(asyncio.wait_for(asyncio.Event().wait(), 0.1))


@pytest.mark.usefixtures("running")
def test_a_name_is_not_given_twice(first: Machine, second: Machine) -> None:
    failed = second.wisp(*first.invite().split()[1:], "--name", "a", "--no-start", code=1)

    assert "somebody who is called a" in failed.stderr


@pytest.mark.usefixtures("running")
def test_what_was_not_promised_is_not_given(first: Machine, second: Machine) -> None:
    failed = second.wisp(
        *first.invite().split()[1:], "--nats-server", "--nats-listen", "127.0.0.1:0", "--no-start", code=1
    )

    assert "without a NATS server" in failed.stderr


@pytest.mark.usefixtures("running")
def test_an_invitation_with_another_secret_or_to_another_lattice_is_worth_nothing(
    first: Machine, second: Machine
) -> None:
    invitation = Invitation.read(first.invite().split()[-1])

    def changed(**change: str) -> str:
        parts = {name: getattr(invitation, name) for name in Invitation.__slots__} | change
        return Invitation(**parts).line()

    def said(line: str) -> str:
        return second.wisp("lattice", "join", line, "--name", "b", "--no-start", code=1).stderr

    other = Authority.make("default").certificate
    assert "no such invitation" in said(changed(secret=invitation.identifier))
    assert "no such invitation" in said(changed(identifier="../admitted/a"))
    assert "another lattice" in said(changed(fingerprint=certificates.fingerprint(other)))
    assert "not the host that invites" in said(changed(host="c"))
    assert "nobody answers" in said(changed(address="127.0.0.1:1"))
    assert "no invitation" in said(f"{PREFIX}{base64.b64encode(b'{}').decode()}")
    second.wisp("lattice", "join", invitation.line(), "--name", "b", "--no-start")


@pytest.mark.usefixtures("running")
def test_a_stranger_on_the_network_can_neither_join_nor_read(first: Machine, tmp_path: Path) -> None:
    url, ca = url_of(first), first.papers / "ca.pem"
    foreign = tmp_path / "foreign.pem"
    foreign.write_bytes(Authority.make("default").certificate)
    stolen = Access(credentials=_forged(tmp_path), ca=ca, tls_first=True)

    assert "cannot be spoken to securely" in refused(url.replace("tls://", "nats://"), OPEN)
    assert "cannot be spoken to securely" in refused(url, Access(ca=foreign, tls_first=True))
    assert "does not let us in" in refused(url, Access(ca=ca, tls_first=True))
    assert "does not let us in" in refused(url.replace("tls://", "tls://guess@"), Access(ca=ca))
    assert "does not let us in" in refused(url, stolen)
    assert _in_the_clear(url) == b""


def _forged(folder: Path) -> Path:
    """Return the credentials of an operator, in the name of an authority that a stranger has made."""
    pair = KeyPair.make("user")
    text = claims.user(Authority.make("default").account, pair.public, "operator", Permissions())
    file = folder / "forged.creds"
    file.write_bytes(claims.credentials(text, pair.seed))
    return file


def _in_the_clear(url: str) -> bytes:
    """Speak to NATS without TLS, and return what becomes of it."""
    host, _, port = url.removeprefix("tls://").rpartition(":")

    async def attempt() -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            assert b'"tls_required":true' in await reader.readline()
            writer.write(b'CONNECT {"verbose":true}\r\nPING\r\n')
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()

    return asyncio.run(attempt())


def test_a_host_that_was_revoked_is_cut_off_and_its_certificate_is_not_renewed(
    first: Machine, second: Machine, running: Host, app: Path
) -> None:
    with second.join(first.invite()) as host:
        host.event("joined")
        first.wisp("deploy", app, "--replicas", "per-host")
        since = len(host.lines)

        first.wisp("lattice", "revoke", "b")

        running.event("revoked")
        host.event("away", since=since)
        with Clients(lambda: get(f"{running.url}/hello")) as clients:
            assert "does not let us in" in refused(url_of(second), _access(second))
        assert clients.failures == []
    assert "somebody who is called b" in _join_again(first, second)


def test_a_host_that_was_revoked_can_call_no_host_with_the_certificate_that_it_still_has(
    first: Machine, second: Machine, app: Path
) -> None:
    with first.up() as host:
        host.event("joined")
        with second.join(first.invite()) as other:
            other.event("joined")
            first.wisp("deploy", app, "--replicas", "per-host")
        with _calling(first, by=second) as calls:
            assert calls.ask("GET", "/hello", *CALL).status == 200
            unanswered = calls.begin("GET", "/slow?ms=20000", *CALL)
            host.until_active(1)

            first.wisp("lattice", "revoke", "b")

            with pytest.raises(REFUSED):
                calls.answer(unanswered)
        _refuses(host, first, second)

    with first.up() as host:
        host.event("listening")
        _refuses(host, first, second)


CALL = (("wisp-kind", "request"), ("wisp-app", "app"), ("wisp-client", "127.0.0.1:7"), ("wisp-left", "20000"))
"""What makes a request one that another host has passed on."""

REFUSED = (EOFError, OSError)


def _calling(machine: Machine, *, by: Machine) -> Connection2:
    """Connect to the host of one machine with the certificate of another one's."""
    context = ssl.create_default_context(cafile=by.papers / "ca.pem")
    context.load_cert_chain(by.papers / "host.pem", by.papers / "host.key")
    context.set_alpn_protocols(["h2"])
    port = int((machine.papers.parent / "peer-port").read_bytes())
    return Connection2(("127.0.0.1", port), tls=context, name=f"{machine.name}.default.wisp.internal")


def _refuses(host: Host, machine: Machine, revoked: Machine) -> None:
    """Find that a host takes nothing from one that was revoked, while it does from others."""
    with pytest.raises(REFUSED), _calling(machine, by=revoked) as calls:
        calls.ask("GET", "/hello", *CALL)
    host.until(
        lambda: any("b was revoked" in line.get("message", "") for line in host.lines), "why it was refused"
    )
    with _calling(machine, by=machine) as calls:
        assert calls.ask("GET", "/hello", *CALL).status == 200


def _access(machine: Machine) -> Access:
    return Access(credentials=machine.papers / "nats.creds", ca=machine.papers / "ca.pem", tls_first=True)


def _join_again(first: Machine, second: Machine) -> str:
    shutil.rmtree(second.papers)
    return second.wisp(*first.invite().split()[1:], "--name", "b", "--no-start", code=1).stderr


def test_certificates_are_rotated_while_everything_goes_on(
    first: Machine, second: Machine, running: Host, app: Path
) -> None:
    with second.join(first.invite()) as host:
        host.event("joined")
        first.wisp("deploy", app, "--replicas", "2")
        before = {one.name: (one.papers / "host.pem").read_bytes() for one in (first, second)}
        keys = {one.name: (one.papers / "host.key").read_bytes() for one in (first, second)}
        shown = _shown(url_of(first))

        with Clients(lambda: get(f"{host.url}/hello")) as clients:
            rotated = json.loads(first.wisp("lattice", "rotate", "--json").stdout)

        assert [one["host"] for one in rotated] == ["a", "b"]
        for one in (first, second):
            assert (one.papers / "host.pem").read_bytes() != before[one.name]
            assert (one.papers / "host.key").read_bytes() != keys[one.name]
        assert _shown(url_of(first)) != shown  # NATS shows the new one too, without a restart
        assert clients.failures == []
        assert "away" not in [line.get("event") for line in (*host.lines, *running.lines)]


def test_another_authority_takes_the_place_of_one_machine_by_machine(
    first: Machine, second: Machine, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(first.up())
        one.event("joined")
        other = stack.enter_context(second.join(first.invite()))
        other.event("joined")
        tables = {"grants": {"keyvalue": ["default"]}}
        (tmp_path / "wisp.toml").write_text(manifest_of("capabilities", "/...", tables), encoding="utf-8")
        first.wisp("deploy", tmp_path, "--replicas", "2")
        assert get(f"{other.url}/keyvalue/set?key=a", b"kept") == (200, b"done")
        before, stolen = (first.papers / "ca.pem").read_bytes(), tmp_path / "stolen.creds"
        stolen.write_bytes((first.folder / "state/default/operator.creds").read_bytes())
        one.stop()
        _forget_the_authority(first)

        one = stack.enter_context(first.up())
        one.event("joined")
        meanwhile = get(f"{other.url}/config/all")[0]  # it goes on with what it has
        other.stop()
        shutil.rmtree(second.papers)
        other = stack.enter_context(second.join(first.invite()))
        other.event("joined")

        assert meanwhile == 200
        assert "before it had this authority" in one.event("taken-over")["message"]
        assert (first.papers / "ca.pem").read_bytes() == (second.papers / "ca.pem").read_bytes() != before
        access = Access(credentials=stolen, ca=first.papers / "ca.pem", tls_first=True)
        assert "does not let us in" in refused(url_of(first), access)
        # What was deployed is still wanted, what was kept is there, and who belongs to the lattice is what the new one says.
        first.wisp("scale", "app", "--replicas", "per-host")
        assert [get(f"{host.url}/keyvalue/get?key=a") for host in (one, other)] == [(200, b"kept")] * 2
        since = len(other.lines)
        first.wisp("lattice", "revoke", "b")
        other.event("away", since=since)


def _forget_the_authority(machine: Machine) -> None:
    """Remove what the guide says, for a new authority to be made."""
    state = machine.folder / "state" / "default"
    shutil.rmtree(state / "authority")
    (state / "operator.creds").unlink()
    shutil.rmtree(machine.papers)


def test_a_machine_that_joins_while_nats_has_lost_its_data_founds_no_other_lattice(
    first: Machine, second: Machine, app: Path
) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(first.up())
        one.event("joined")
        first.wisp("deploy", app)
        one.stop()
        shutil.rmtree(first.folder / "state/default/nats")
        one = stack.enter_context(first.up())
        one.event("away")
        other = stack.enter_context(second.join(first.invite()))
        lost = other.event("away")["message"]

        restored = first.wisp("lattice", "restore", "--name", "a")

        assert "NATS has lost the data of this lattice" in lost
        assert "written back: app" in restored.stderr
        assert "no app was missing" in second.wisp("lattice", "restore", "--name", "b").stderr
        for host in (one, other):
            host.event("joined")
        first.wisp("scale", "app", "--replicas", "per-host")
        assert [get(f"{host.url}/hello")[0] for host in (one, other)] == [200, 200]


def test_a_host_that_was_given_the_authority_and_not_its_secret_has_joined_and_says_what_is_missing(
    first: Machine, second: Machine
) -> None:
    with ExitStack() as stack:
        stack.enter_context(first.up()).event("joined")
        words = ("--name", "b", "--no-start")
        secret = first.folder / "state" / "keys" / "default"

        failed = second.wisp(*first.invite("--authority").split()[1:], *words, code=1)
        still = second.wisp("host", *words[:2], *HOSTING, code=1)
        key = second.folder / "state" / "keys" / "default"
        key.parent.mkdir(parents=True)
        shutil.copyfile(secret, key)

        assert "the secret that opens the lattice's authority cannot be read" in failed.stderr
        assert "--authority-key FILE" in still.stderr
        stack.enter_context(second.host()).event("joined")


def _shown(url: str) -> bytes:
    host, _, port = url.removeprefix("tls://").rpartition(":")
    return ssl.get_server_certificate((host, int(port))).encode()


def test_a_certificate_is_renewed_by_itself_before_it_ends(first: Machine) -> None:
    with first.up("--certificate-lifetime", "20s") as host:
        host.event("joined")
        before = (first.papers / "host.pem").read_bytes()

        host.event("renewed")

        assert (first.papers / "host.pem").read_bytes() != before


@pytest.mark.usefixtures("running")
def test_commands_work_on_a_machine_that_was_invited_for_that_and_nowhere_else(
    first: Machine, second: Machine, tmp_path: Path, cache: Path
) -> None:
    second.wisp(*first.invite("--operator").split()[1:])

    assert json.loads(second.wisp("hosts", "--json").stdout)[0]["host"] == "a"

    third = Machine(tmp_path, cache, "c")
    third.wisp(*first.invite().split()[1:], "--name", "c", "--no-start")
    assert (
        "does not let us in"
        in third.wisp(
            "hosts", "--nats", url_of(first), "--nats-ca", str(third.papers / "ca.pem"), code=1
        ).stderr
    )


def test_a_nats_of_ones_own_has_hosts_with_certificates_too(
    first: Machine, second: Machine, tmp_path: Path
) -> None:
    nats = Nats(tmp_path / "nats")
    try:
        with first.up("--nats", nats.url) as host, ExitStack() as stack:
            host.event("joined")
            other = stack.enter_context(second.join(first.invite(), "--nats", nats.url))
            other.event("joined")

            hosts = json.loads(first.wisp("hosts", "--json", "--nats", nats.url).stdout)
            rotated = json.loads(first.wisp("lattice", "rotate", "--json", "--nats", nats.url).stdout)

        assert [one["host"] for one in hosts] == [one["host"] for one in rotated] == ["a", "b"]
        assert all((one.papers / "host.pem").exists() for one in (first, second))
    finally:
        nats.kill()


@pytest.mark.usefixtures("running")
def test_a_host_cannot_say_who_belongs_to_the_lattice_and_workers_see_nothing_of_it(
    first: Machine, second: Machine
) -> None:
    second.wisp(*first.invite().split()[1:], "--name", "b", "--no-start")
    url = url_of(first)

    async def as_host() -> None:
        async with connect(url, name="b", access=_access(second)) as connection:
            lattice = await State.open(connection, "default")
            before = await lattice.desired.get("account")
            for key in ("account", "admitted.x"):
                with pytest.raises(LatticeError):
                    await lattice.desired.put(key, b"{}")
            assert await lattice.desired.get("account") == before

    async def as_worker() -> None:
        access = _access(second).with_credentials(second.papers / "worker.creds")
        async with connect(url, name="b", access=access) as connection:
            await State.open(connection, "default")

    asyncio.run(as_host())
    with pytest.raises(LatticeError):
        asyncio.run(as_worker())
