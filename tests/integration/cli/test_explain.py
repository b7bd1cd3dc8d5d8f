"""`wisp explain`: what the components of an app may do, of real components and a real manifest."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.guests.build import component
from tests.integration.cli.program import wisp

if TYPE_CHECKING:
    from pathlib import Path

# The first run builds and compiles the guest.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

MANIFEST = """\
app.name = "shop"

[[http]]
route = "/api/..."
component = "api"

[component.api]
source = "{guest}"
environment.GREETING = "hi"

[component.api.limits]
memory = "64MiB"
timeout = "5s"

[component.api.grants]
environment = ["TZ"]
keyvalue = ["default"]
config = {{ greeting = "hi", token = {{ secret = "API_TOKEN" }} }}

[profile.staging.component.api.grants]
keyvalue = ["staging"]
"""

SHOWN = """\
api  serves /api/...
  may use:
    environment  TZ (of the host)                wisp.toml:16
    environment  GREETING (set by the manifest)  wisp.toml:9
  imports, as most standard libraries do, but may not use:
    wasi:filesystem/types@#     needs files = [{ source = "...", mount = "/..." }]
    wasi:filesystem/preopens@#  needs files = [{ source = "...", mount = "/..." }]
  warning: is granted, but imports nothing that uses it:
    keyvalue  default                             wisp.toml:17
    config    greeting = "hi"                     wisp.toml:18
    config    token = { secret = "API_TOKEN" }    wisp.toml:18
  has limits of its own:
    limits.memory   64MiB instead of 256MiB  wisp.toml:12
    limits.timeout  5s instead of 30s        wisp.toml:13
"""

NEEDED = """\
[component.api.grants]
environment = ["TZ"]
# What most standard libraries import, whether or not the program uses it:
# files = [{ source = "...", mount = "/..." }]
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "wisp.toml").write_text(
        MANIFEST.format(guest=component("spies/rust-vault")), encoding="utf-8"
    )
    return tmp_path


def without_versions(text: str) -> str:
    """Return the text without what a newer compiler of the guest changes, and the column widths that go with it."""
    return re.sub(r" {2,}", "  ", re.sub(r"@\d+\.\d+\.\d+", "@#", text))


def test_a_person_is_shown_what_a_component_may_do_and_which_line_says_so(app: Path) -> None:
    shown = wisp("explain", folder=app)

    assert (shown.returncode, shown.stderr) == (0, "")
    assert without_versions(shown.stdout) == without_versions(SHOWN)


def test_a_program_is_told_the_same(app: Path) -> None:
    found = json.loads(wisp("explain", "api", "--app", app, "--json").stdout)

    assert (found["app"], found["manifest"]) == ("shop", str(app / "wisp.toml"))
    api = found["components"]["api"]
    assert [(one["kind"], one["value"], one["line"], bool(one["used_by"])) for one in api["granted"]] == [
        ("environment", "TZ", 16, True),
        ("environment", "GREETING", 9, True),
        ("keyvalue", "default", 17, False),
        ("config", {"greeting": "hi"}, 18, False),
        ("config", {"token": {"secret": "API_TOKEN"}}, 18, False),
    ]
    assert {one["kind"] for one in api["lacking"]} == {"files"}
    assert [(one["key"], one["line"]) for one in api["limits"]] == [
        ("limits.memory", 12),
        ("limits.timeout", 13),
    ]


def test_a_profile_is_explained_with_its_own_lines(app: Path) -> None:
    shown = wisp("explain", "--profile", "staging", folder=app).stdout

    assert "keyvalue  staging" in shown
    assert "wisp.toml:21" in shown


def test_the_needs_can_be_pasted(app: Path) -> None:
    assert wisp("explain", "api", "--needs", folder=app).stdout == NEEDED


def test_a_component_that_is_not_there_is_an_error_that_lists_those_that_are(app: Path) -> None:
    refused = wisp("explain", "apl", folder=app)

    assert refused.returncode == 1
    assert refused.stderr == "error: wisp.toml has no component apl\n  hint: it has api\n"


def test_a_file_without_a_manifest_is_explained_too(app: Path) -> None:
    shown = wisp("explain", "--app", component("spies/rust-vault"), folder=app)

    assert shown.returncode == 0
    assert "may not use" in shown.stdout
    assert "warning" not in shown.stdout
