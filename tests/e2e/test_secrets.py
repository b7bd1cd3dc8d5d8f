"""A planted secret reaches the guest that it was granted to, and appears nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.host import PROGRAM, Host, environment
from tests.e2e.wire import Address, ask, get
from tests.guests.build import component

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# The first run builds and compiles the guests.
pytestmark = pytest.mark.timeout(900)

CANARIES = {
    "variable": "canary-7c1f9b02",
    "granted": "canary-51d0e3aa",
    "file": "canary-b86e24d7",
    "command": "canary-09f3c65e",
    "new": "canary-e4477a18",
}
VARIABLES = {"PLANTED": CANARIES["variable"], "GRANTED": CANARIES["granted"]}

APP = """\
app.name = "shop"

[[http]]
route = "/..."
component = "api"

[[http]]
route = "/two/..."
component = "two"

[secrets]
from-file = {{ file = "kept/token" }}
from-command = {{ command = "cat kept/other" }}

[component.api]
source = "{api}"

[component.api.grants]
keyvalue = ["default"]

[component.api.grants.config]
a = {{ secret = "PLANTED" }}
b = {{ secret = "from-file" }}
c = {{ secret = "from-command" }}

[component.two]
source = "{two}"

[component.two.grants]
environment = ["GRANTED"]

[profile.remote.component.two]
source = {{ url = "https://example.com/two.wasm", digest = "sha256:{digest}" }}
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "kept").mkdir(parents=True)
    (folder / "kept" / "token").write_text(f"{CANARIES['file']}\n", encoding="utf-8")
    (folder / "kept" / "other").write_text(f"{CANARIES['command']}\n", encoding="utf-8")
    text = APP.format(api=component("capabilities"), two=component("http2"), digest="0" * 64)
    (folder / "wisp.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def own_cache(tmp_path: Path) -> Path:
    """A cache that only this test has written to."""
    return tmp_path / "cache"


def planted(content: bytes) -> list[str]:
    """Return the names of the canaries in it."""
    return [name for name, canary in CANARIES.items() if canary.encode() in content]


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def found(places: Iterable[tuple[str, bytes]]) -> dict[str, list[str]]:
    """Return the places where there is a canary, and which."""
    return {place: names for place, content in places if (names := planted(content))}


def process(pid: int) -> Iterator[tuple[str, bytes]]:
    """Return what everybody of the same user can read of a process."""
    for name in ("cmdline", "environ"):
        yield f"{pid}/{name}", Path(f"/proc/{pid}/{name}").read_bytes()


def told(*words: str, app: Path, cache: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run `wisp` to its end."""
    variables = environment(cache, **VARIABLES, WISP_DEBUG="1", **variables)
    return subprocess.run([PROGRAM, *words], cwd=app, env=variables, capture_output=True, check=False)


def use(address: Address) -> dict[str, str]:
    """Let the guests use what they have, fail, and ask for what they have not."""
    config: dict[str, str] = get(address, "/config/all").json
    variables = get(address, "/two/environment").json
    assert variables == {"GRANTED": CANARIES["granted"]}
    assert ask(address, "POST", "/keyvalue/set?key=a", body=b"kept").status == 200
    statuses = [
        get(address, target).status
        for target in ("/two/trap", "/two/print", "/keyvalue/get?store=denied&key=a", "/no/verb")
    ]
    assert statuses == [502, 200, 500, 500]
    return config


def everything_said(host: Host) -> tuple[str, bytes]:
    return "what wisp up said", "\n".join([*map(str, host.lines), *host.text, host.stderr]).encode()


def test_secrets_reach_their_guest_and_nothing_else_in_a_log_for_programs(app: Path, own_cache: Path) -> None:
    variables = environment(own_cache, **VARIABLES, WISP_DEBUG="1", RUST_BACKTRACE="1")
    with Host("--learn-to", "learned.toml", folder=app, variables=variables) as host:
        assert use(host.address) == {
            "a": CANARIES["variable"],
            "b": CANARIES["file"],
            "c": CANARIES["command"],
        }
        seen = [("admin", str([host.admin(page) for page in ("metrics", "health")]).encode())]
        seen += [place for pid in host.pids() for place in process(pid)]

        (app / "kept" / "token").write_text(CANARIES["new"], encoding="utf-8")
        host.signal(signal.SIGHUP)
        host.event("reloaded")
        assert use(host.address)["b"] == CANARIES["new"]
        seen += [place for pid in host.pids() for place in process(pid)]

        (app / "kept" / "token").write_bytes(CANARIES["new"].encode() + b"\xff")
        host.signal(signal.SIGHUP)
        failed = host.event("reload-failed")
        assert "there is no secret from-file" in failed["message"]
        assert use(host.address)["b"] == CANARIES["new"]
        supervisor = list(process(host.process.pid))

    (app / "kept" / "token").unlink()
    (app / "kept" / "other").unlink()
    assert found([*seen, everything_said(host)]) == {}
    assert found(files(app)) == {}
    assert found(files(own_cache)) == {}
    # The search finds what is there: whoever sets a variable for `wisp up` has it in that process's environment.
    assert found(supervisor) == {f"{host.process.pid}/environ": ["variable", "granted"]}
    names = [name for name, _ in files(app)]
    assert {"wisp.lock", "learned.toml"} <= set(names)
    assert any(name.startswith(".wisp/state/") for name in names)


def test_secrets_appear_in_no_log_for_people(app: Path, own_cache: Path) -> None:
    variables = environment(own_cache, **VARIABLES, WISP_DEBUG="1")
    with Host("--log-format", "text", "--learn", folder=app, variables=variables) as host:
        host.until(lambda: "ready in" in host.stderr, "the first screen")
        address, _, port = host.stderr.partition("http://")[2].split()[0].rpartition(":")
        assert use((address, int(port)))["b"] == CANARIES["file"]
        host.until(lambda: any("denied" in line for line in host.text), "a denial")

    assert found([everything_said(host)]) == {}


COMMANDS = (
    ("explain",),
    ("explain", "--json"),
    ("explain", "--needs"),
    ("inspect",),
    ("inspect", "--json"),
    ("inspect", "--wit"),
    ("inspect", "--graph", "svg"),
    ("build", "--json"),
    ("schema",),
    ("doctor",),
    ("cache",),
)


def test_secrets_are_printed_by_no_command(app: Path, own_cache: Path) -> None:
    said = [told(*words, app=app, cache=own_cache) for words in COMMANDS]

    assert [(" ".join(done.args[1:]), done.stderr) for done in said[:-2] if done.returncode] == []
    assert found((" ".join(done.args[1:]), done.stdout + done.stderr) for done in said) == {}
    assert "secret" in said[1].stdout.decode()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('{ command = "cat kept/other; exit 9" }', "ended with 9"),
        ('{ command = "cat kept/other >&2; exit 9" }', "ended with 9"),
        ("{ command = \"cat kept/other; printf '\\\\377'\" }", "is not UTF-8"),
        ('{ file = "kept/odd" }', "is not UTF-8"),
        ('{ file = "kept" }', "Is a directory"),
        ('{ environment = "NOT_SET" }', "NOT_SET is not set"),
    ],
)
def test_secrets_are_in_no_error(app: Path, own_cache: Path, source: str, reason: str) -> None:
    (app / "kept" / "odd").write_bytes(CANARIES["file"].encode() + b"\xff")
    manifest = app / "wisp.toml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace('{ file = "kept/token" }', source), encoding="utf-8")

    for debug in ("", "1"):
        variables = environment(own_cache, **VARIABLES, WISP_DEBUG=debug)
        host = Host(folder=app, variables=variables)
        assert host.ended() == 1
        assert "there is no secret from-file: " in host.stderr
        assert reason in host.stderr
        assert found([everything_said(host)]) == {}


def test_the_compiler_is_not_told_secrets(app: Path, own_cache: Path, tmp_path: Path) -> None:
    """A build command sees the caller's own environment, and nothing that only the manifest names."""
    record = tmp_path / "record"
    manifest = app / "wisp.toml"
    text = (
        manifest.read_text(encoding="utf-8")
        .replace(
            "[component.two.grants]",
            f'build.command = "env > {record}; cp {component("http2")} made.wasm"\nbuild.output = "made.wasm"\n'
            "[component.two.grants]",
        )
        .replace(f'source = "{component("http2")}"', 'source = "."')
    )
    manifest.write_text(text, encoding="utf-8")

    with Host(folder=app, variables=environment(own_cache, **VARIABLES)) as host:
        assert use(host.address)["c"] == CANARIES["command"]

    assert planted(record.read_bytes()) == ["variable", "granted"]
    assert os.access(record, os.R_OK)
