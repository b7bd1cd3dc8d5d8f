from __future__ import annotations

from pathlib import Path

from wisp.host.address import Address
from wisp.host.settings import HostSettings, HttpSettings, LogSettings, Start, TlsSettings

APP = {"schema": 1, "name": "a", "version": "1", "http": [], "components": {}}
ARTIFACT = {"path": "/x.cwasm", "size": 1, "profile": "sync", "resources": {}}


def test_the_start_message_holds_what_a_worker_needs_and_nothing_else() -> None:
    settings = HostSettings(Address("127.0.0.1", 3000), workers=2)

    message = Start((APP,), {"sha256:0": ARTIFACT}, watch=(Path("secret"),)).message(1, settings)

    assert message.keys() == {"start"}
    assert message["start"] == {
        "settings": {
            "worker": 1,
            "workers": 2,
            "compiler_strategy": "cranelift",
            "log": {"format": "text", "access": True, "color": False},
            "http": {
                "tls": None,
                "header_bytes": 65536,
                "header_timeout_ms": 10000,
                "keep_alive_ms": 75000,
                "max_connections": 10000,
                "trusted_proxies": [],
            },
        },
        "apps": [APP],
        "artifacts": {"sha256:0": ARTIFACT},
    }


def test_tls_is_told_as_two_paths() -> None:
    http = HttpSettings(tls=TlsSettings(Path("/c.pem"), Path("/k.pem")), trusted_proxies=("10.0.0.0/8",))

    document = http.document()

    assert document["tls"] == {"certificate": "/c.pem", "key": "/k.pem"}
    assert document["trusted_proxies"] == ["10.0.0.0/8"]


def test_an_artifact_that_was_compiled_anew_replaces_the_old_one() -> None:
    start = Start((APP,), {"sha256:0": ARTIFACT, "sha256:1": ARTIFACT})

    changed = start.with_artifact("sha256:1", {**ARTIFACT, "size": 2})

    assert changed.artifacts == {"sha256:0": ARTIFACT, "sha256:1": {**ARTIFACT, "size": 2}}
    assert start.artifacts["sha256:1"] == ARTIFACT


def test_log_settings_are_the_same_for_workers_and_supervisor() -> None:
    settings = HostSettings(Address("::", 0), workers=1, log=LogSettings("json", access=False, color=True))

    told = Start((), {}).document(0, settings)["settings"]

    assert isinstance(told, dict)
    assert told["log"] == {"format": "json", "access": False, "color": True}
