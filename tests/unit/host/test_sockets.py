from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from wisp.errors import HostError
from wisp.host.address import Address
from wisp.host.sockets import Listeners

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = Address("127.0.0.1", 0)


@pytest.fixture
def two() -> Iterator[Listeners]:
    with Listeners(LOOPBACK, 2) as listeners:
        yield listeners


def connect(address: Address, count: int) -> list[socket.socket]:
    return [socket.create_connection((address.host, address.port), timeout=5) for _ in range(count)]


def waiting(listener: socket.socket) -> int:
    """Accept what waits in a socket, and count it."""
    count = 0
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return count
        connection.close()
        count += 1


def test_all_slots_share_the_port_that_the_first_one_got(two: Listeners) -> None:
    ports = {two.open(slot).getsockname()[1] for slot in range(2)}

    assert ports == {two.address.port}
    assert two.address.port != 0


def test_a_bound_socket_gets_no_connection_before_it_listens(two: Listeners) -> None:
    with pytest.raises(ConnectionRefusedError):
        connect(two.address, 1)


def test_connections_are_spread_over_the_slots(two: Listeners) -> None:
    two.listen(0)
    two.listen(1)
    clients = connect(two.address, 64)

    counts = [waiting(two.open(slot)) for slot in range(2)]

    assert sum(counts) == 64
    assert min(counts) > 0
    for client in clients:
        client.close()


def test_a_slot_that_is_shut_leaves_its_connections_to_the_others(two: Listeners) -> None:
    two.listen(0)
    two.listen(1)

    two.shut(0)
    clients = connect(two.address, 32)

    assert waiting(two.open(1)) == 32
    for client in clients:
        client.close()


def test_a_slot_can_be_opened_again(two: Listeners) -> None:
    two.listen(1)
    two.shut(1)

    two.listen(1)
    clients = connect(two.address, 1)

    assert waiting(two.open(1)) == 1
    clients[0].close()


def test_the_port_stays_ours_while_every_slot_is_shut(two: Listeners) -> None:
    two.shut(0)
    two.shut(1)

    with pytest.raises(HostError, match="the port is in use"):
        Listeners(two.address, 1)


@pytest.mark.parametrize("listening", [False, True], ids=["still building", "serving"])
def test_a_second_supervisor_is_refused_although_both_would_share_the_port(listening: bool) -> None:
    with Listeners(LOOPBACK, 2) as first:
        if listening:
            first.listen(0)
            first.listen(1)

        with pytest.raises(HostError, match="the port is in use") as caught:
            Listeners(first.address, 2)

    assert caught.value.address == str(first.address)
    assert caught.value.kind == "listener"


def test_the_process_that_has_the_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address("127.0.0.1", server.getsockname()[1])

        with pytest.raises(HostError, match=rf"in use by .+ \(process {os.getpid()}\)") as caught:
            Listeners(address, 1)

    assert "--listen" in (caught.value.hint or "")


def leave_in_time_wait(server: socket.socket, address: Address) -> None:
    """Let a connection of a server end by the server's side, which then keeps the port for a minute."""
    client = connect(address, 1)[0]
    server.setblocking(True)
    served, _ = server.accept()
    served.close()
    assert client.recv(1) == b""
    client.close()


def test_a_restart_does_not_wait_for_the_last_connections_of_the_run_before() -> None:
    with Listeners(LOOPBACK, 1) as first:
        first.listen(0)
        leave_in_time_wait(first.open(0), first.address)

    with Listeners(first.address, 2) as second:
        assert second.address == first.address
        with pytest.raises(HostError, match="the port is in use"):
            Listeners(first.address, 1)


def test_a_start_does_not_wait_for_the_last_connections_of_another_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address("127.0.0.1", server.getsockname()[1])
        leave_in_time_wait(server, address)

    with Listeners(address, 2) as listeners:
        assert listeners.address == address
        listeners.listen(0)
        listeners.listen(1)
        with pytest.raises(HostError, match="the port is in use"):
            Listeners(address, 1)


def test_an_address_of_another_machine_is_an_error_that_says_so() -> None:
    with pytest.raises(HostError, match=r"this machine has no address 192\.0\.2\.1"):
        Listeners(Address("192.0.2.1", 0), 1)


def test_every_interface_of_ipv6_takes_connections_of_ipv4_too() -> None:
    with Listeners(Address("::", 0), 1) as listeners:
        listeners.listen(0)
        clients = connect(Address("127.0.0.1", listeners.address.port), 1)

        assert waiting(listeners.open(0)) == 1

    clients[0].close()


def test_closing_gives_the_port_back(two: Listeners) -> None:
    two.close()

    with Listeners(two.address, 1) as again:
        assert again.address == two.address
