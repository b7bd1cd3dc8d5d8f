"""Whatever is written into a manifest, reading it gives a manifest or a `ManifestError`, and never another exception.

`WISP_FUZZ_EXAMPLES=100000` tries more than the few that every run does.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import tomlkit
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from wisp.errors import ManifestError
from wisp.manifest.grants import Grants
from wisp.manifest.load import loads
from wisp.manifest.models import Component, Instances, Limits, Manifest

EXAMPLES = int(os.environ.get("WISP_FUZZ_EXAMPLES", "300"))
HERE = Path(__file__).parent / "wisp.toml"
FUZZ = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

KNOWN = sorted(
    {name for model in (Manifest, Component, Limits, Grants, Instances) for name in model.model_fields}
    | {
        "name",
        "route",
        "method",
        "host",
        "source",
        "mount",
        "write",
        "to",
        "secret",
        "value",
        "schedule",
        "file",
    }
)
WORDS = st.sampled_from(
    [
        "a",
        "/a",
        "/a/...",
        "64MiB",
        "5s",
        "https://a.example",
        "tcp://a.example:1",
        "10.0.0.0/8",
        "*",
        "sha256:0",
        "..",
        "",
    ]
)
TEXTS = st.one_of(WORDS, st.text(max_size=30))
KEYS = st.one_of(st.sampled_from(KNOWN), st.text(max_size=10))
SCALARS = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=True, allow_infinity=True),
    st.datetimes(),
    st.dates(),
    st.times(),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=20,
)
NEARLY = st.fixed_dictionaries(
    {"app": st.fixed_dictionaries({"name": TEXTS}), "component": st.dictionaries(KEYS, VALUES, max_size=2)},
    optional={"http": st.lists(VALUES, max_size=2), "cron": VALUES, "secrets": VALUES, "profile": VALUES},
)
BASE = """
[app]
name = "app"

[[http]]
route = "/users/:id"
method = ["GET", "POST"]
host = "*.example.org"
component = "api"

[[cron]]
schedule = "*/5 * * * *"
component = "api"

[component.api]
source = { url = "https://a.example/x.wasm", digest = "sha256:%s" }
environment = { A = "1" }
limits = { memory = "64MiB", timeout = "1s" }

[component.api.grants]
http = ["https://*.example:8443", { to = "http://10.0.0.0/8:9000-9010", private = true }]
files = [{ source = "data", mount = "/data", write = true }]
config = { token = { secret = "TOKEN" } }

[profile.dev.component.api]
limits = { timeout = "1m" }
""" % ("0" * 64)


def read(text: str) -> None:
    for profile in (None, "dev"):
        with contextlib.suppress(ManifestError):
            assert isinstance(loads(text, path=HERE, profile=profile), Manifest)


@FUZZ
@given(st.text())
@example("\0")
@example("a = " + "[" * 5000)
@example("a" + ".a" * 5000 + " = 1")
@example("[" + "a." * 2000 + "a]\n")
@example("a = " + "{ b = " * 500 + "1" + " }" * 500)
@example("a = 1e999999999999")
@example("a = " + "9" * 5000)
def test_any_text_is_read_or_refused(text: str) -> None:
    read(text)


@FUZZ
@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_tables_are_read_or_refused(data: dict[str, Any]) -> None:
    read(_written(data))


@FUZZ
@given(NEARLY)
def test_what_is_nearly_a_manifest_is_read_or_refused(data: dict[str, Any]) -> None:
    read(_written(data))


@FUZZ
@given(st.lists(st.tuples(st.integers(0, len(BASE)), st.integers(0, 20), TEXTS), min_size=1, max_size=4))
def test_a_manifest_with_damage_is_read_or_refused(damage: list[tuple[int, int, str]]) -> None:
    text = BASE
    for place, length, inserted in damage:
        text = text[:place] + inserted + text[place + length :]
    read(text)


def _written(data: dict[str, Any]) -> str:
    try:
        return tomlkit.dumps(data)
    except (ValueError, TypeError, RecursionError, AttributeError):
        # tomlkit does not write every date and mixture of tables; the text of it is as good as another.
        return repr(data)
