"""Configuration, logging, random numbers and clocks as guests get them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.host import Host, environment
from tests.e2e.wire import ask, get
from tests.guests.build import component

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The first run builds the guest, and compiles it.
pytestmark = pytest.mark.timeout(900)

SECRET = "of-the-host-38a1f0"  # noqa: S105 - this is the secret that must not be seen
APP = """
[app]
name = "app"

[[http]]
route = "/bare/..."
component = "bare"

[[http]]
route = "/..."
component = "granted"

[secrets.TOKEN]
environment = "THE_TOKEN"

[component.granted]
source = "{guest}"
grants.config = {{ greeting = "hi", empty = "", token = {{ secret = "TOKEN" }} }}

[component.bare]
source = "{guest}"
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Host]:
    """Serve a component with a configuration, and one without."""
    folder = tmp_path_factory.mktemp("capabilities")
    (folder / "wisp.toml").write_text(APP.format(guest=component("capabilities")), encoding="utf-8")
    with Host("--workers", "2", folder=folder, variables=environment(cache, THE_TOKEN=SECRET)) as running:
        yield running


@pytest.mark.parametrize("version", ["", "-older"])
def test_a_guest_reads_its_own_configuration_and_nothing_else(host: Host, version: str) -> None:
    values = {"greeting": "hi", "empty": "", "token": SECRET}
    found = {
        key: get(host.address, f"/config/get{version}?key={key}").json
        for key in (*values, "absent", "THE_TOKEN")
    }

    assert found == {**values, "absent": None, "THE_TOKEN": None}
    assert get(host.address, f"/config/all{version}").json == values
    assert get(host.address, f"/bare/config/all{version}").json == {}
    assert get(host.address, f"/bare/config/get{version}?key=token").json is None


def test_a_secret_of_the_configuration_is_in_no_line(host: Host) -> None:
    assert get(host.address, "/config/get?key=token").json == SECRET
    host.line(kind="access", path="/config/get")

    assert SECRET not in f"{host.lines} {host.text} {host.stderr}"


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("trace", "trace"),
        ("debug", "debug"),
        ("info", "info"),
        ("warn", "warning"),
        ("error", "error"),
        ("critical", "critical"),
    ],
)
def test_an_entry_has_its_level_its_context_and_the_request(host: Host, level: str, shown: str) -> None:
    message = f"two lines of {level}\nare one entry \x1b[2J"

    ask(host.address, "POST", f"/logging/log?level={level}&context=orders", body=message.encode())
    line = host.line(kind="guest", message=message)
    access = host.line(kind="access", path="/logging/log", request_id=line["request_id"])

    assert access["status"] == 200
    del line["time"], line["request_id"]
    assert line == {
        "level": shown,
        "kind": "guest",
        "app": "app",
        "component": "granted",
        "context": "orders",
        "message": message,
    }


def test_an_entry_has_bounds(host: Host) -> None:
    context, message = "c" * 300, "é" * 9000

    ask(host.address, "POST", f"/logging/log?level=info&context={context}", body=message.encode())

    assert host.line(kind="guest", context="c" * 256)["message"] == "é" * 8192


def test_instances_have_random_numbers_of_their_own_and_the_time_of_the_host(host: Host) -> None:
    before = time.time()
    found = [get(host.address, "/random/all").json for _ in range(20)]
    after = time.time()

    for name in ("bytes", "number", "seed"):
        assert len({str(each[name]) for each in found}) == 20, name
    assert len({number for each in found for number in each["seed"]}) == 40
    # Thousands of bits: each byte comes up about as often as another.
    assert len({byte for each in found for byte in each["bytes"]}) > 200
    for each in found:
        assert int(before) <= each["seconds"] <= after
        assert each["monotonic"][0] <= each["monotonic"][1]
