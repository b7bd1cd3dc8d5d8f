"""The locked app."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wisp.manifest.load import loads
from wisp.manifest.locked import LockedApp, lock_app

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = f"sha256:{'a' * 64}"
_KINDS = ("http", "sockets", "environment", "files", "keyvalue", "blobstore", "sqlite", "messaging")
NO_GRANTS: dict[str, object] = {**{kind: [] for kind in _KINDS}, "config": {}}
ROUTE = {"component": "rust", "response": None, "convention": "wisp"}
LIMITS = {
    "memory": 268435456,
    "timeout_ms": 30000,
    "concurrency": 100,
    "queue": 1000,
    "queue_timeout_ms": 5000,
    "body": 16777216,
    "headers": 65536,
    "response": 1073741824,
    "cpu_ms": 10000,
    "table": 1000000,
    "handles": 10000,
    "outbound": 100,
    "connections": 100,
    "download": 67108864,
    "log": 1048576,
    "store": 1073741824,
    "file": 268435456,
    "files": 100,
}


def test_it_is_the_json_that_workers_read(tmp_path: Path) -> None:
    text = """
        app = { name = "polyglot", version = "0.1.0" }
        [[http]]
        route = "/rust/process"
        method = "POST"
        host = "api.example.com"
        component = "rust"
        [component.rust]
        source = "."
        environment = { GREETING = "hi" }
    """

    app = lock_app(loads(text, path=tmp_path / "wisp.toml"), {"rust": DIGEST})

    assert json.loads(app.to_json()) == app.to_data()
    assert app.to_data() == {
        "schema": 1,
        "name": "polyglot",
        "version": "0.1.0",
        "http": [{**ROUTE, "route": "/rust/process", "methods": ["POST"], "hosts": ["api.example.com"]}],
        "cron": [],
        "secrets": {},
        "components": {
            "rust": {
                "digest": DIGEST,
                "environment": {"GREETING": "hi"},
                "grants": NO_GRANTS,
                "limits": LIMITS,
                "instances": {"reuse": 1, "idle_ms": 10000, "concurrency": 16},
                "links": {},
            }
        },
    }
    assert LockedApp.model_validate_json(app.to_json()) == app


def test_a_digest_that_is_none_is_refused(tmp_path: Path) -> None:
    manifest = loads('app.name = "a"\ncomponent.a.source = "."', path=tmp_path / "wisp.toml")

    with pytest.raises(ValueError, match="expected a digest"):
        lock_app(manifest, {"a": "sha256:1234"})
