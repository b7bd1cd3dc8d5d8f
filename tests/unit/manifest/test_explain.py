"""What a component may do, and why, by names alone."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from wisp.manifest import explain, links
from wisp.manifest.load import loads
from wisp.native import Interfaces

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.manifest.explain import Explanation
    from wisp.manifest.models import Manifest

HTTP = "wasi:http/incoming-handler@0.2.6"
SENDS = "wasi:http/outgoing-handler@0.2.6"
STORE = "wasi:keyvalue/store@0.2.0-draft2"
ENVIRONMENT = "wasi:cli/environment@0.2.6"
PREOPENS = "wasi:filesystem/preopens@0.2.6"
STDOUT = "wasi:cli/stdout@0.2.6"
REDIS = "fermyon:spin/redis@2.0.0"
TEXTS = "shop:texts/greetings@0.1.0"

APP = """
app.name = "shop"

[[http]]
route = "/..."
component = "api"

[[cron]]
schedule = "*/5 * * * *"
component = "greeter"

[component.api]
source = "."
environment = { GREETING = "hi" }

[component.api.limits]
memory = "64MiB"

[component.api.grants]
http = ["https://api.example.com", { to = "https://in.example", private = true }]
environment = ["TZ"]
config = { greeting = "hi", token = { secret = "API_TOKEN" } }

[component.api.link]
"shop:texts/greetings@0.1.0" = "greeter"

[component.greeter]
source = "."

[profile.test.component.api.grants]
http = ["https://test.example"]
"""
FOUND = {
    "api": Interfaces(
        (
            TEXTS,
            SENDS,
            STORE,
            ENVIRONMENT,
            PREOPENS,
            STDOUT,
            "wasi:http/types@0.2.6",
            "shop:texts/names@0.1.0",
        ),
        frozenset({TEXTS, SENDS, STORE, ENVIRONMENT, PREOPENS, STDOUT, "wasi:http/types@0.2.6"}),
        (HTTP,),
    ),
    "greeter": Interfaces((REDIS,), frozenset({REDIS}), (TEXTS,)),
}


def read(folder: Path, text: str = APP, profile: str | None = None) -> Manifest:
    path = folder / "wisp.toml"
    path.write_text(text, encoding="utf-8")
    return loads(text, path=path, profile=profile)


def explained(manifest: Manifest, profile: str | None = None) -> dict[str, Explanation]:
    plan = links.resolve(manifest, FOUND)
    return {one.name: one for one in explain.explain(manifest, FOUND, plan, profile=profile)}


def lines(manifest: Manifest, one: Explanation) -> list[tuple[str, object, str]]:
    """Return each thing that is granted with the line of the manifest that says so."""
    written = manifest.path.read_text(encoding="utf-8").splitlines()
    assert all(granted.origin for granted in one.granted)
    return [
        (granted.kind, granted.value, written[granted.origin.line - 1][granted.origin.column - 1 :])
        for granted in one.granted
        if granted.origin
    ]


def test_each_grant_is_told_with_the_place_that_grants_it(tmp_path: Path) -> None:
    manifest = read(tmp_path)

    assert lines(manifest, explained(manifest)["api"]) == [
        (
            "http",
            "https://api.example.com",
            '"https://api.example.com", { to = "https://in.example", private = true }]',
        ),
        (
            "http",
            {"to": "https://in.example", "private": True},
            '{ to = "https://in.example", private = true }]',
        ),
        ("environment", "TZ", '"TZ"]'),
        ("environment", "GREETING", 'GREETING = "hi" }'),
        ("config", {"greeting": "hi"}, 'greeting = "hi", token = { secret = "API_TOKEN" } }'),
        ("config", {"token": {"secret": "API_TOKEN"}}, 'token = { secret = "API_TOKEN" } }'),
    ]


def test_what_a_profile_grants_is_told_with_the_place_in_the_profile(tmp_path: Path) -> None:
    manifest = read(tmp_path, profile="test")

    found = lines(manifest, explained(manifest, "test")["api"])

    assert found[0] == ("http", "https://test.example", '"https://test.example"]')
    assert found[1] == ("environment", "TZ", '"TZ"]')


def test_an_import_that_may_not_be_used_says_what_it_needs(tmp_path: Path) -> None:
    found = explained(read(tmp_path))

    assert [(one.interface, one.kind) for one in found["api"].lacking] == [
        (STORE, "keyvalue"),
        (PREOPENS, "files"),
    ]
    assert [(one.interface, one.kind) for one in found["greeter"].lacking] == [(REDIS, None)]


def test_what_is_granted_but_not_imported_is_unused(tmp_path: Path) -> None:
    found = explained(read(tmp_path))["api"]

    assert [granted.value for granted in found.unused] == [
        {"greeting": "hi"},
        {"token": {"secret": "API_TOKEN"}},
    ]
    assert found.granted[0].used_by == (SENDS,)


def test_links_are_told_with_their_mode_and_their_place(tmp_path: Path) -> None:
    found = explained(read(tmp_path))

    [linked] = found["api"].links
    assert (linked.link.component, linked.link.mode) == ("greeter", "fused")
    assert linked.origin is not None
    assert linked.origin.line == APP.splitlines().index('"shop:texts/greetings@0.1.0" = "greeter"') + 1
    assert (found["greeter"].inside, found["api"].inside) == (("api",), ())
    assert (found["api"].routes, found["greeter"].routes) == (("/...",), ())
    assert (found["api"].schedules, found["greeter"].schedules) == ((), ("*/5 * * * * UTC",))


def test_an_address_of_a_neighbour_is_all_that_a_component_may_send_to(tmp_path: Path) -> None:
    text = APP.replace('http = ["https://api', '# http = ["https://api').replace(
        '0.1.0" = "greeter"', '0.1.0" = "greeter"\n"http://texts.internal" = "greeter"'
    )
    found = {**FOUND, "greeter": Interfaces((), frozenset(), (TEXTS, HTTP))}
    manifest = read(tmp_path, text)

    one = explain.explain(manifest, found, links.resolve(manifest, found))[0]

    assert SENDS not in [lacking.interface for lacking in one.lacking]
    assert [linked.link.interface for linked in one.links] == [TEXTS, "http://texts.internal"]


def test_limits_that_are_not_the_default_are_told(tmp_path: Path) -> None:
    text = APP + "\n[component.greeter.instances]\nreuse = 5\nidle = '10s'\n"
    found = explained(read(tmp_path, text))

    assert [(bound.key, bound.value, bound.default) for bound in found["api"].bounds] == [
        ("limits.memory", "64MiB", "256MiB")
    ]
    assert [(bound.key, bound.value, bound.default) for bound in found["greeter"].bounds] == [
        ("instances.reuse", 5, 1)
    ]


def test_the_needs_are_what_is_granted_and_used_and_a_placeholder_for_what_is_missing(tmp_path: Path) -> None:
    manifest = read(tmp_path)
    found = explained(manifest)

    needed = explain.needs(manifest.component["api"], found["api"])

    assert needed == (
        "[component.api.grants]\n"
        'http = ["https://api.example.com", { to = "https://in.example", private = true }]\n'
        'environment = ["TZ"]\n'
        'keyvalue = ["default"]\n'
        "# What most standard libraries import, whether or not the program uses it:\n"
        '# files = [{ source = "...", mount = "/..." }]\n'
    )
    assert tomllib.loads(needed)["component"]["api"]["grants"]["keyvalue"] == ["default"]
    assert explain.needs(manifest.component["greeter"], found["greeter"]) == "[component.greeter.grants]\n"


def test_granting_what_is_needed_leaves_nothing_lacking_and_nothing_unused(tmp_path: Path) -> None:
    manifest = read(tmp_path)
    table = explain.needs(manifest.component["api"], explained(manifest)["api"])
    head, rest = APP.split("[component.api.grants]")
    again = read(
        tmp_path, head + table.replace("# files", "files").replace('"..."', '"."') + rest[rest.index("\n[") :]
    )

    one = explained(again)["api"]

    assert (one.lacking, one.unused) == ((), ())


@pytest.mark.parametrize("name", ["spin.toml", "gone.toml"])
def test_a_manifest_of_another_form_is_explained_without_places(tmp_path: Path, name: str) -> None:
    manifest = read(tmp_path)
    if name == "spin.toml":
        (tmp_path / name).write_text('spin_manifest_version = 2\n[component.api]\nsource = "x"\n')

    found = explained(manifest.at(tmp_path / name))["api"]

    lines_of_grants = {granted.origin.line if granted.origin else None for granted in found.granted}
    assert lines_of_grants == ({2} if name == "spin.toml" else {None})
