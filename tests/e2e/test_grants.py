"""What was not granted is refused, told, counted and learned, over workers and reloads."""

from __future__ import annotations

import signal
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.host import Host, environment
from tests.e2e.wire import Connection, get
from tests.guests.build import component
from tests.integration.cli.pages import with_table

if TYPE_CHECKING:
    from pathlib import Path

# The first run builds and compiles the guest.
pytestmark = pytest.mark.timeout(900)

APP = """\
app.name = "shop"

[[http]]
route = "/..."
component = "api"

[component.api]
source = "{guest}"

[component.api.grants]
keyvalue = ["default"]
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "wisp.toml").write_text(APP.format(guest=component("capabilities")), encoding="utf-8")
    return tmp_path


def up(app: Path, cache: Path, *words: str | Path, **variables: str) -> Host:
    return Host(*words, folder=app, variables=environment(cache, **variables))


def store(host: Host, name: str) -> int:
    """Let the guest open a store, on a connection of its own; return the status."""
    return get(host.address, f"/keyvalue/exists?store={name}&key=a").status


def grants(text: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(text)["component"]["api"]["grants"]
    return found


def test_a_denial_is_one_line_for_a_program_that_says_what_to_add(app: Path, cache: Path) -> None:
    with up(app, cache, "--workers", "1") as host:
        statuses = [store(host, name) for name in ("default", "carts", "carts")]
        line = host.line(kind="denial")

    assert statuses == [200, 500, 500]
    fields = ("app", "component", "import", "target", "grant")
    assert [line[field] for field in fields] == [
        "shop",
        "api",
        "wasi:keyvalue/store",
        "carts",
        'keyvalue = ["carts"]',
    ]
    assert line["message"] == (
        'api may not use wasi:keyvalue/store for carts; add `keyvalue = ["carts"]` to [component.api.grants] to allow it'
    )
    assert [other["kind"] for other in host.lines].count("denial") == 1


def test_a_denial_is_one_line_for_a_person(app: Path, cache: Path) -> None:
    with up(app, cache, "--workers", "1", "--log-format", "text") as host:
        host.until(lambda: "ready in" in host.stderr, "the first screen")
        url = host.stderr.partition("http://")[2].split()[0]
        address, _, port = url.rpartition(":")
        assert get((address, int(port)), "/keyvalue/exists?store=carts&key=a").status == 500
        line = host.until(lambda: next((line for line in host.text if "denied" in line), None), "a denial")

    assert line.partition(" ")[2] == (
        'api        denied: api may not use wasi:keyvalue/store for carts; add `keyvalue = ["carts"]`'
        " to [component.api.grants] to allow it"
    )


def test_denials_are_counted_over_all_workers(app: Path, cache: Path) -> None:
    with up(app, cache, "--workers", "2") as host:
        assert {store(host, "carts") for _ in range(40)} == {500}
        store(host, "orders")
        metrics = host.admin("metrics")

    assert metrics["denials"] == 41
    assert [
        (kind["target"], kind["count"]) for kind in sorted(metrics["denied"], key=lambda kind: kind["target"])
    ] == [
        ("carts", 40),
        ("orders", 1),
    ]


def test_a_run_is_repeated_with_what_it_has_learned_until_nothing_is_missing(app: Path, cache: Path) -> None:
    manifest, learned = app / "wisp.toml", app / "learned.toml"
    with up(app, cache, "--learn-to", learned) as host:
        assert [store(host, name) for name in ("default", "carts")] == [200, 500]
        host.signal(signal.SIGHUP)
        host.event("reloaded")
        assert store(host, "orders") == 500
    first = learned.read_text(encoding="utf-8")

    assert grants(first) == {"keyvalue": ["default", "carts", "orders"]}
    assert "# refused once: wasi:keyvalue/store for carts\n" in first
    assert first in host.stderr
    assert grants(manifest.read_text(encoding="utf-8")) == {"keyvalue": ["default"]}

    table = first[first.index("[component") :]
    manifest.write_text(with_table(manifest.read_text(encoding="utf-8"), table), encoding="utf-8")
    with up(app, cache, "--learn") as host:
        assert [store(host, name) for name in ("default", "carts", "orders")] == [200] * 3

    assert host.stderr.endswith("# This run of shop was refused nothing.\n")


def test_a_key_of_the_configuration_that_is_not_there_is_no_denial_and_is_learned(
    app: Path, cache: Path
) -> None:
    with up(app, cache, "--workers", "2", "--learn") as host:
        answers = [get(host.address, f"/config/get{old}?key=greeting").json for old in ("", "-older")]
        assert get(host.address, "/config/all").json == {}
        metrics = host.admin("metrics")

    missed = [(kind["import"], kind["target"], kind["grant"]) for kind in metrics["missed"]]
    assert answers == [None, None]
    assert missed == [("wasi:config/store", "greeting", 'config = { "greeting" = "..." }')]
    assert (metrics["denials"], metrics["denied"]) == (0, [])
    assert "denial" not in {line["kind"] for line in host.lines}
    learned = host.stderr[host.stderr.index("[component.api") :]
    assert grants(learned) == {"keyvalue": ["default"], "config": {"greeting": "..."}}
    assert "# asked for 2 times, and not there: wasi:config/store for greeting\n" in learned


def test_what_a_worker_was_asked_while_it_drained_is_learned_too(app: Path, cache: Path) -> None:
    ask = b"POST /keyvalue/exists?store=carts&key=a HTTP/1.1\r\nhost: test\r\ncontent-length: 1\r\n\r\n"
    with up(app, cache, "--workers", "1", "--learn") as host:
        [worker] = host.pids()
        with Connection(host.address) as connection:
            connection.send(ask)
            host.until_active(1)
            host.signal(signal.SIGHUP)
            host.event("reloaded")
            assert host.pids() != [worker]
            connection.send(b"x")
            assert connection.answer().status == 500

    assert grants(host.stderr[host.stderr.index("[component.api") :])["keyvalue"] == ["default", "carts"]


def test_a_variable_that_was_granted_and_is_not_set_is_a_warning(app: Path, cache: Path) -> None:
    manifest = app / "wisp.toml"
    manifest.write_text(
        manifest.read_text(encoding="utf-8") + 'environment = ["HOME", "NOT_SET"]\n', encoding="utf-8"
    )

    with up(app, cache) as host:
        line = host.event("environment-missing")
        assert store(host, "default") == 200

    assert (line["level"], line["component"], line["variable"]) == ("warn", "api", "NOT_SET")
    assert line["message"] == "component api was granted the environment variable NOT_SET, which is not set"


def test_learning_is_for_one_app(app: Path, cache: Path) -> None:
    host = up(app, cache, "one", "two", "--learn")

    assert host.ended() == 2
    assert "--learn learns for one app at a time" in host.stderr
