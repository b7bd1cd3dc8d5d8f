"""Servers take turns; one that does not work is told with its error beside those that do."""

import subprocess
import sys
from pathlib import Path

import pytest
from harness import everybody, peers, series
from harness.components import Component, Components
from harness.part import Context
from harness.servers import ADDRESS, GREETING, PORT, Subject
from harness.tools import reason

pytestmark = pytest.mark.timeout(900)

NONE = Component("none", Path("none.wasm"), Path("none.cwasm"))
SLOW = f"""
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        body = {GREETING!r} if Handler.asked != 30 else b"wrong"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_each_server_is_told_what_it_did_or_why_it_did_nothing() -> None:
    said: list[str] = []
    context = Context(Components(NONE, NONE, NONE, NONE), 2, 1, said.append)
    subjects: dict[str, Subject | str] = {
        "wrong": Subject("answers wrongly once", (sys.executable, "-c", SLOW, PORT)),
        "ends": Subject("ends", (sys.executable, "-c", "raise SystemExit(3)", ADDRESS)),
        "absent": Subject("absent", (str(Path.home() / "no-such-server"), ADDRESS)),
        "refused": "void: npm failed: no such package",
        "hyper": peers.hyper(1),
    }

    found = series.take_turns("turns", subjects, context)
    first, *others = everybody.table(found).lines
    lines = {line[0]: line[1:] for line in others}

    assert first[0] == found["hyper"].subject.name
    assert lines["answers wrongly once"][-1].startswith("void: 1 of ")
    assert lines["ends"][-1] == "ends: it ended with code 3"
    assert lines["absent"][-1] == "[Errno 2] No such file or directory: '~/no-such-server'"
    assert lines["refused"][-1] == "void: npm failed: no such package"
    assert len(found["hyper"].samples) == len(said) == 2
    for sample in found["hyper"].samples:
        assert sample.requests_per_second > 100
        assert 0 < sample.p50_ms <= sample.p99_ms <= sample.most_ms
        assert 0 < sample.load_generator < 1
        assert 0 < sample.processor_us < 1000
        assert 0 < sample.memory_mib < 50


def test_a_reason_names_no_place_of_this_machine() -> None:
    late = subprocess.TimeoutExpired([str(Path.home() / "bin" / "npm"), "ci"], 900.0)

    assert reason(late) == "npm did not end within 900 s"
    assert reason(OSError(f"{Path.home()}/x is full")) == "~/x is full"
