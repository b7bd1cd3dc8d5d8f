from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.errors import HostError
from wisp.host.address import Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:3000", "127.0.0.1", 3000),
        ("localhost:0", "localhost", 0),
        (":8080", "0.0.0.0", 8080),  # noqa: S104 - what is parsed
        ("8080", "127.0.0.1", 8080),
        ("[::1]:65535", "::1", 65535),
        ("[::]:80", "::", 80),
    ],
)
def test_an_address_is_read_in_the_ways_people_write_it(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == Address(host, port)


@pytest.mark.parametrize(
    "text", ["", "host", "host:", "host:http", "host:65536", "host:-1", "host:²", "[::1]"]
)
def test_what_has_no_port_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(HostError, match="must be a port") as caught:
        Address.parse(text)

    assert caught.value.address == text
    assert caught.value.hint == "write HOST:PORT, for example 127.0.0.1:3000"


def test_an_ipv6_host_without_brackets_is_refused_with_the_right_spelling() -> None:
    with pytest.raises(HostError, match="brackets") as caught:
        Address.parse("::1:3000")

    assert caught.value.hint == "write [::1]:3000"


@given(st.sampled_from(["127.0.0.1", "::1", "example.com", "::"]), st.integers(0, 65535))
def test_what_is_written_is_read_back(host: str, port: int) -> None:
    assert Address.parse(str(Address(host, port))) == Address(host, port)


@pytest.mark.parametrize(
    ("address", "reachable"),
    [
        (Address("0.0.0.0", 80), "127.0.0.1:80"),  # noqa: S104 - never bound
        (Address("::", 80), "[::1]:80"),
        (Address("192.0.2.1", 80), "192.0.2.1:80"),
    ],
)
def test_every_interface_is_reached_through_loopback(address: Address, reachable: str) -> None:
    assert address.reachable == reachable


def test_an_unknown_host_is_an_error_that_names_it() -> None:
    with pytest.raises(HostError, match=r"the host 'no\.such\.host\.invalid' is not known"):
        Address("no.such.host.invalid", 1).resolve()


def test_a_numeric_host_resolves_to_its_family() -> None:
    assert Address("::1", 7).resolve() == (socket.AF_INET6, ("::1", 7))
