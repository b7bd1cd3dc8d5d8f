"""Configuration and secrets of apps in a lattice of real hosts on a real NATS."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import nats.js.errors
import pytest

from tests.e2e.conftest import manifest_of
from tests.e2e.host import PROGRAM
from tests.e2e.lattice import Clients, Lattice
from wisp.lattice.commands import configuring, control
from wisp.lattice.nats.connection import connect
from wisp.lattice.running.keyring import Keyring
from wisp.lattice.running.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wisp.lattice.configuration import Configuration
    from wisp.lattice.state import State

# The first run builds and compiles the guests.
pytestmark = pytest.mark.timeout(600)

EMPTY = '{"schema":1,"name":"shop","version":"1","http":[],"cron":[],"secrets":{},"components":{}}'
FIRST, SECOND = "canary-5d0c7a91", "canary-e2b84f06"
GRANTS = {
    "config": {"greeting": "hi", "token": {"secret": "API_TOKEN"}, "tag": {"template": "<{{ API_TOKEN }}>"}}
}


@pytest.fixture
def lattice(tmp_path: Path, cache: Path) -> Iterator[Lattice]:
    with Lattice(tmp_path, cache) as made:
        yield made


def app(folder: Path, version: str = "1.0.0", **config: object) -> Path:
    """Write an app that tells its configuration at `/config/all`."""
    grants = {"config": {**GRANTS["config"], **config}}
    text = manifest_of("capabilities", "/...", {"grants": grants})
    path = folder / "shop" / "wisp.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        text.replace('name = "app"', f'name = "shop"\nversion = "{version}"\nhealth = "/config/all"'),
        encoding="utf-8",
    )
    return path.parent


def configuration(lattice: Lattice, host: str) -> Any:
    """Ask the guest on a host what it is configured with."""
    status, body = lattice.get(host, "/config/all")
    assert status == 200, body
    return json.loads(body)


def put(lattice: Lattice, value: str, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Set the secret of the app."""
    finished = subprocess.run(
        [PROGRAM, "secret", "set", "shop", "API_TOKEN", *words],
        env=lattice._variables,
        input=f"{value}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert finished.returncode == code, f"{finished.stdout}{finished.stderr}"
    return finished


def deploy(lattice: Lattice, folder: Path, *words: str) -> None:
    """Deploy the app with its secret: it runs nowhere before that is set."""
    lattice.wisp("deploy", app(folder), "--replicas", "0")
    put(lattice, FIRST)
    lattice.wisp("scale", "shop", *(words or ("--replicas", "per-host")))


def test_a_change_is_in_force_on_all_hosts_when_the_command_ends_and_fails_no_request(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        lattice.start(name)
    deploy(lattice, tmp_path)

    with Clients(lambda: lattice.get("a", "/config/all")) as clients:
        changed = json.loads(lattice.wisp("config", "set", "shop", "greeting=hello", "--json").stdout)
        everywhere = [configuration(lattice, name) for name in "abc"]
        put(lattice, SECOND)
        rotated = [configuration(lattice, name) for name in "abc"]
        lattice.wisp("config", "unset", "shop", "greeting")

    assert (changed["version"], changed["hosts"], changed["missing"]) == (2, ["a", "b", "c"], {})
    assert everywhere == [{"greeting": "hello", "token": FIRST, "tag": f"<{FIRST}>"}] * 3
    assert rotated == [{"greeting": "hello", "token": SECOND, "tag": f"<{SECOND}>"}] * 3
    assert configuration(lattice, "b")["greeting"] == "hi"
    assert clients.failures == []
    assert changed["seconds"] < 10  # 2 on a machine that is not busy with something else

    lattice.wisp("config", "rollback", "shop", "--to", "2")

    assert configuration(lattice, "c") == {"greeting": "hello", "token": FIRST, "tag": f"<{FIRST}>"}
    assert [one["change"] for one in lattice.json("config", "history", "shop")] == [
        "set the secret API_TOKEN",
        "set greeting",
        "set the secret API_TOKEN",
        "unset greeting",
        "went back to version 2",
    ]


def test_where_a_change_has_not_arrived_is_said_and_it_arrives_when_it_can(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")
    frozen = lattice.start("b")
    deploy(lattice, tmp_path)
    frozen.signal(signal.SIGSTOP)

    try:
        failed = lattice.wisp("config", "set", "shop", "greeting=hello", "--timeout", "1s", code=1)
    finally:
        frozen.signal(signal.SIGCONT)

    assert "not in force everywhere: host b: " in failed.stderr
    assert configuration(lattice, "a")["greeting"] == "hello"
    lattice.until(lambda view: configuring.reached(view, "shop").hosts == {"a": None, "b": None})
    assert configuration(lattice, "b")["greeting"] == "hello"


def test_going_back_to_an_earlier_version_of_an_app_keeps_what_it_is_configured_with(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")
    deploy(lattice, tmp_path)
    lattice.wisp("config", "set", "shop", "greeting=hello")
    lattice.wisp("deploy", app(tmp_path, "2.0.0", more="yes"))
    put(lattice, SECOND)
    new = configuration(lattice, "a")

    lattice.wisp("rollback", "shop")

    assert new == {"greeting": "hello", "token": SECOND, "tag": f"<{SECOND}>", "more": "yes"}
    assert configuration(lattice, "a") == {"greeting": "hello", "token": SECOND, "tag": f"<{SECOND}>"}


def test_what_nobody_reads_is_noted_and_what_is_a_secret_is_not_taken_as_a_value(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")
    deploy(lattice, tmp_path)

    noted = lattice.wisp("config", "set", "shop", "colour=red")
    refused = lattice.wisp("config", "set", "shop", "token=open", code=1)

    assert "has no key colour in grants.config of any component" in noted.stderr
    assert "the key token of component capabilities is the secret API_TOKEN" in refused.stderr
    assert {one["key"]: (one["from"], one["value"]) for one in lattice.json("config", "list", "shop")} == {
        "greeting": ("wisp.toml", "hi"),
        "token": ("wisp.toml", None),
        "tag": ("wisp.toml", "<{{ API_TOKEN }}>"),
        "colour": ("lattice, read by nothing", "red"),
    }
    assert lattice.wisp("config", "get", "shop", "greeting").stdout == "hi\n"
    [listed] = lattice.json("secret", "list", "shop")
    assert (listed["name"], listed["from"]) == ("API_TOKEN", "the lattice")


def test_without_its_secret_an_app_does_not_run_and_runs_as_soon_as_it_is_set(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")

    failed = lattice.wisp("deploy", app(tmp_path), code=1)
    put(lattice, FIRST)

    assert "there is no secret API_TOKEN: it was not set in the lattice" in failed.stderr
    assert configuration(lattice, "a")["token"] == FIRST
    refused = lattice.wisp("secret", "unset", "shop", "API_TOKEN", "--timeout", "1s", code=1)
    assert "there is no secret API_TOKEN" in refused.stderr
    assert configuration(lattice, "a")["token"] == FIRST  # what runs goes on with what it has


def test_an_app_shows_which_configuration_is_wanted_and_which_each_host_has(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")
    lattice.start("b", "--label", "zone=eu")
    lattice.wisp("deploy", app(tmp_path), "--replicas", "0")
    unconfigured, text = lattice.json("app", "shop"), lattice.wisp("app", "shop").stdout
    put(lattice, FIRST)
    lattice.wisp("scale", "shop", "--replicas", "per-host")
    # What a host cannot do without goes on as it is there.
    lattice.wisp("secret", "unset", "shop", "API_TOKEN", "--timeout", "1s", code=1)

    half = lattice.json("app", "shop")["configuration"]
    shown = lattice.wisp("app", "shop").stdout
    put(lattice, SECOND)
    whole = lattice.json("app", "shop")["configuration"]

    assert (unconfigured["configuration"], "configuration" in text) == ({"wanted": 0, "hosts": {}}, False)
    assert half == {"wanted": 2, "hosts": {"a": 1, "b": 1}}
    assert "wanted  a replica on each host, configuration 2\n" in shown
    assert shown.count("failed  configuration 1  ") == 2
    assert whole == {"wanted": 3, "hosts": {"a": 3, "b": 3}}


def everything_kept(lattice: Lattice) -> Iterator[tuple[str, bytes]]:
    """Return all that NATS has on its disk, and every message that it would give."""
    for path in sorted(lattice.nats.folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(lattice.nats.folder)), path.read_bytes()
    yield from lattice.ask(_messages)


async def _messages(state: State) -> list[tuple[str, bytes]]:
    jetstream = state.desired._jetstream
    found = []
    for stream in await jetstream.streams_info():
        for number in range(stream.state.first_seq, stream.state.last_seq + 1):
            try:
                message = await jetstream.get_msg(str(stream.config.name), number)
            except nats.js.errors.NotFoundError:
                continue  # what was removed leaves gaps
            found.append((str(message.subject), message.data or b""))
    return found


def _having(places: Iterator[tuple[str, bytes]], text: str) -> set[str]:
    forms = (text.encode(), base64.b64encode(text.encode()).rstrip(b"="))
    return {place for place, content in places if any(form in content for form in forms)}


def test_a_secret_is_readable_nowhere_but_in_its_guest(lattice: Lattice, tmp_path: Path) -> None:
    host = lattice.start("a")
    deploy(lattice, tmp_path)
    lattice.wisp("config", "set", "shop", "greeting=canary-to-be-found")
    said = [
        lattice.wisp(*words) for words in (("app", "shop", "--json"), ("secret", "list", "shop"), ("hosts",))
    ]
    said.append(put(lattice, SECOND, "--json"))

    kept = list(everything_kept(lattice))
    disk = [(str(path), path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file()]

    assert configuration(lattice, "a")["token"] == SECOND
    for canary in (FIRST, SECOND):
        assert _having(iter([*kept, *disk]), canary) == set()
        assert not any(canary in one.stdout + one.stderr for one in said)
        assert canary not in "\n".join([*map(str, host.lines), host.stderr])
    # The search finds what is there.
    places = _having(iter(kept), "canary-to-be-found")
    assert any(place.startswith("$O.wisp-test.C.") for place in places)
    assert any(place.endswith(".blk") for place in places)


def test_a_host_that_may_not_run_an_app_gets_no_key_and_opens_nothing(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a", "--label", "zone=eu")
    lattice.start("b", "--label", "zone=us")
    lattice.wisp("deploy", app(tmp_path), "--replicas", "0", "--require", "zone=eu")
    put(lattice, FIRST)

    async def try_it(state: State) -> tuple[list[str], str]:
        wanted, _ = await control.current(state, "shop")
        keys = list(await state.desired.entries("sealed.>"))
        keyring = Keyring("b", Remembered(tmp_path / "state" / "test" / "hosts" / "b"))
        with pytest.raises(Exception, match="there is no secret API_TOKEN") as refused:
            await keyring.configured("shop", wanted.configuration, state)
        return keys, str(refused.value)

    keys, refused = lattice.ask(try_it)

    assert [key.rpartition(".")[2] for key in keys] == ["a"]
    assert "host b may not run shop" in refused
    # Moved to where it may run, it is let in.
    lattice.wisp("scale", "shop", "--require", "zone=us", "--replicas", "1")
    assert configuration(lattice, "b")["token"] == FIRST


def test_a_host_that_joins_is_let_in_by_one_that_is_there_before_it_is_needed(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")
    deploy(lattice, tmp_path, "--replicas", "1")
    lattice.start("b")

    async def until_sealed(state: State) -> None:
        async with asyncio.timeout(30), state.desired.mirror("sealed.*.*.b") as mirror:
            while not mirror.entries:
                await mirror.changed()

    lattice.ask(until_sealed)
    lattice.kill("a")
    lattice.until(lambda view: "a" not in view.hosts)

    assert lattice.until_complete("shop", 1) == ["b"]
    assert configuration(lattice, "b")["token"] == FIRST


def test_a_host_starts_with_its_secrets_when_nats_is_away(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    deploy(lattice, tmp_path)
    lattice.wisp("config", "set", "shop", "greeting=hello")
    lattice.kill("a")
    lattice.nats.kill()

    lattice.start("a", joined=False)

    assert configuration(lattice, "a") == {"greeting": "hello", "token": FIRST, "tag": f"<{FIRST}>"}
    lattice.nats.start()


def test_what_an_app_was_configured_with_is_written_back_too(lattice: Lattice, tmp_path: Path) -> None:
    host = lattice.start("a")
    deploy(lattice, tmp_path, "--replicas", "1")
    lattice.nats.kill()
    shutil.rmtree(lattice.nats.folder)
    mark = len(host.lines)
    lattice.nats.start()

    lattice.wisp("lattice", "restore", "--name", "a")
    host.event("joined", since=mark)
    lattice.wisp("config", "set", "shop", "greeting=hello")
    lattice.start("b")
    lattice.wisp("scale", "shop", "--replicas", "2")

    assert configuration(lattice, "a") == configuration(lattice, "b")
    assert configuration(lattice, "b") == {"greeting": "hello", "token": FIRST, "tag": f"<{FIRST}>"}


def test_of_changes_at_once_none_is_lost(lattice: Lattice) -> None:
    lattice.start("a")

    async def change(state: State, number: int) -> None:
        def edit(before: Configuration) -> Configuration:
            return before.model_copy(update={"values": {**before.values, f"key-{number}": "set"}})

        await configuring.change(state, "shop", edit)

    async def all_at_once(state: State) -> dict[str, str]:
        bundle = control.Bundle("shop", "1", EMPTY.encode(), {})
        await control.deploy(state, bundle, {"replicas": 0}, lambda message: None)
        async with connect(lattice.nats.url, name="another") as other:
            states = (state, await type(state).open(other, "test"))
            await asyncio.gather(*(change(states[number % 2], number) for number in range(10)))
        app, _ = await control.current(state, "shop")
        return (await configuring.read(state, app)).values

    assert lattice.ask(all_at_once) == {f"key-{number}": "set" for number in range(10)}
