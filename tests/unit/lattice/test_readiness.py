"""What an app is asked to see whether it is ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from wisp.host.rehearsal import Probe
from wisp.lattice.running.readiness import _for_calls, probe
from wisp.manifest.load import loads
from wisp.manifest.locked import LockedApp, lock_app

DIGEST = f"sha256:{'1' * 64}"


def locked(routes: str, health: str = "") -> LockedApp:
    text = f'[app]\nname = "shop"\n{health}\n[component.c]\nsource = {{ url = "https://h/c.wasm", digest = "{DIGEST}" }}\n'
    return lock_app(loads(text + routes, path=Path("wisp.toml")), {"c": DIGEST})


def routes(*lines: str) -> str:
    return "".join(f'[[http]]\ncomponent = "c"\n{line}\n' for line in lines)


@pytest.mark.parametrize(
    ("lines", "asked"),
    [
        (['route = "/..."'], Probe("/", "localhost", strict=False)),
        (['route = "/users/:id"', 'route = "/about"'], Probe("/about", "localhost", strict=False)),
        (['route = "/users/:id/posts/..."'], Probe("/users/probe/posts/", "localhost", strict=False)),
        (['route = "/a"\nmethod = "POST"', 'route = "/b/:c"'], Probe("/b/probe", "localhost", strict=False)),
        (['route = "/a"\nhost = "*.example.com"'], Probe("/a", "probe.example.com", strict=False)),
        (['route = "/a"\nmethod = "POST"'], None),
        ([], None),
    ],
)
def test_the_simplest_path_is_asked(lines: list[str], asked: Probe | None) -> None:
    cron = "" if lines else '[[cron]]\nschedule = "* * * * *"\ncomponent = "c"\n'

    assert probe(locked(routes(*lines) + cron)) == asked


def test_the_path_that_the_manifest_names_must_be_answered_well() -> None:
    app = locked(routes('route = "/a"\nmethod = "POST"'), health='health = "/health?deep=yes"')

    assert probe(app) == Probe("/health?deep=yes", "localhost", strict=True)


def test_an_app_that_names_none_is_locked_as_it_always_was() -> None:
    app = locked(routes('route = "/a"'))

    assert "health" not in app.to_data()
    assert LockedApp.model_validate_json(app.to_json()) == app


def test_a_version_that_is_tried_out_may_call_other_apps_and_sends_requests_nowhere() -> None:
    blog = {"app": "blog", "hosts": ["b"], "routes": [{"route": "/..."}]}
    lattice = {
        "identity": {},
        "table": {"number": 1, "peers": [], "apps": [{"app": "shop"}, blog]},
    }

    assert _for_calls("shop", lattice) == {
        "identity": {},
        "table": {"number": 1, "peers": [], "apps": [{**blog, "routes": []}]},
    }
    assert _for_calls("shop", {"identity": {}, "table": None}) == {"identity": {}, "table": None}
    assert _for_calls("shop", None) is None
