"""Targets of grants: what is written is what is meant, and anything else is refused with a reason."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wisp.manifest.grants import Grants
from wisp.manifest.locked import LockedApp, LockedTarget, lock_app
from wisp.manifest.models import App, Component, Manifest
from wisp.manifest.targets import (
    HTTP_SCHEMES,
    SOCKET_SCHEMES,
    TARGET_PATTERN,
    Target,
    TargetKind,
    parse_target,
)

LABELS = st.from_regex(r"[a-z_]([a-z0-9_-]{0,10}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join).filter(lambda name: name != "self")
PORTS = st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(sorted)
NETWORKS = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(lambda pair: IPv4Network(pair, strict=False)),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)).map(lambda pair: IPv6Network(pair, strict=False)),
)


def host(network: IPv4Network | IPv6Network) -> str:
    address = str(network.network_address)
    shown = address if network.version == 4 else f"[{address}]"
    return shown if network.prefixlen == network.max_prefixlen else f"{shown}/{network.prefixlen}"


HOSTS = st.one_of(
    st.just(("any", "*", "*")),
    NAMES.map(lambda name: ("name", name, name)),
    NAMES.map(lambda name: ("suffix", name, f"*.{name}")),
    NETWORKS.map(lambda network: ("network", str(network), host(network))),
)


@given(st.sampled_from((*HTTP_SCHEMES, *SOCKET_SCHEMES)), HOSTS, PORTS)
def test_a_target_that_is_written_is_read_as_it_was_meant(
    scheme: str, meant: tuple[TargetKind, str, str], ports: list[int]
) -> None:
    kind, kept, written = meant
    first, last = ports
    suffix = f":{first}" if first == last else f":{first}-{last}"
    schemes = HTTP_SCHEMES if scheme in HTTP_SCHEMES else SOCKET_SCHEMES

    target = parse_target(f"{scheme}://{written}{suffix}", schemes)

    assert target == Target(scheme, kind, kept, (first, last))
    assert re.search(TARGET_PATTERN, f"{scheme}://{written}{suffix}")


@given(st.sampled_from(HTTP_SCHEMES), HOSTS)
def test_a_target_without_a_port_has_that_of_its_scheme(
    scheme: str, meant: tuple[TargetKind, str, str]
) -> None:
    port = {"http": 80, "https": 443}[scheme]

    assert parse_target(f"{scheme}://{meant[2]}", HTTP_SCHEMES).ports == (port, port)
    assert parse_target(f"{scheme}://{meant[2]}:*", HTTP_SCHEMES).ports == (1, 65535)


PIECES = st.sampled_from(
    [
        "http",
        "https",
        "tcp",
        "*",
        "://",
        "/",
        ":",
        "@",
        "[",
        "]",
        "::",
        ".",
        "-",
        "%",
        "0x7f",
        "127.0.0.1",
        "10.0.0.0/8",
        "a",
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES).map("".join), st.text().map(lambda text: f"https://{text}")))
@example("https://\ud800")
@example("https://\u0663.\u0661.4.1")
@example("https://[::ffff:127.0.0.1]")
@example("https://1.2.3.4/\u0668")
def test_any_other_text_is_refused_as_a_value_or_is_a_target(text: str) -> None:
    for schemes in (HTTP_SCHEMES, SOCKET_SCHEMES):
        target = read(text, schemes)
        if isinstance(target, Target):
            assert target.scheme in schemes
            assert target.kind in get_args(TargetKind)
            assert target.host.isascii()
            assert target.host == target.host.lower()
            assert 1 <= target.ports[0] <= target.ports[1] <= 65535
        else:
            assert target


def read(text: str, schemes: tuple[str, ...]) -> Target | str:
    """Return the target, or why it is none: a plain `ValueError`, not one of the many kinds that there are."""
    try:
        return parse_target(text, schemes)
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        return str(error)


@given(st.ip_addresses(v=4))
def test_an_address_in_another_form_is_no_name(address: object) -> None:
    number = int(ip_address(str(address)))
    forms = [
        str(number),
        hex(number),
        f"0x{number >> 24:x}.{number & 0xFFFFFF}",
        f"{number >> 24}.{number & 0xFFFFFF}",
    ]

    for form in forms:
        with pytest.raises(ValueError, match=r"neither a name nor an address|not a network"):
            parse_target(f"https://{form}", HTTP_SCHEMES)


GRANTS: st.SearchStrategy[dict[str, object]] = st.builds(
    dict,
    http=st.lists(
        st.builds(
            lambda meant, private: {"to": f"https://{meant[2]}", "private": private}, HOSTS, st.booleans()
        ),
        max_size=3,
    ),
    sockets=st.lists(HOSTS.map(lambda meant: f"tcp://{meant[2]}:1-9"), max_size=3),
    keyvalue=st.lists(st.sampled_from(["a", "b"]), unique=True),
    files=st.lists(
        st.builds(
            lambda mount, write: {"source": "data", "mount": mount, "write": write},
            st.sampled_from(["/a", "/b"]),
            st.booleans(),
        ),
        max_size=2,
        unique_by=lambda folder: str(folder["mount"]),
    ),
    config=st.dictionaries(
        st.text(min_size=1).filter(lambda key: "\0" not in key),
        st.one_of(st.text(), st.text(min_size=1).map(lambda name: {"secret": name})),
        max_size=3,
    ),
)


@given(GRANTS)
def test_grants_are_the_same_after_they_were_locked_and_after_they_were_written(
    data: dict[str, object],
) -> None:
    grants = Grants.model_validate(data)

    manifest = Manifest(app=App(name="a"), component={"a": Component(source=".", grants=grants)})
    app = LockedApp.model_validate_json(lock_app(manifest, {"a": f"sha256:{'a' * 64}"}).to_json())
    locked = app.components["a"].grants

    assert all(isinstance(target, LockedTarget) for target in locked.http)
    assert Grants.of_locked(locked.model_dump(mode="json")) == grants
    assert Grants.model_validate(grants.written()) == grants
