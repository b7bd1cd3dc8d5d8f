"""The example through the real command line: one service that uses everything that a host offers."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from examples.service import Service
from tests.integration.cli.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

FOLDER = ROOT / "examples" / "notes"
TOKEN = "canary-4f1c"  # noqa: S105 - it is looked for where it must not be


class Webhook(http.server.ThreadingHTTPServer):
    """Hears of notes; refuses those whose text says so."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Listener)
        self.heard: list[tuple[str | None, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/notes"


class Listener(http.server.BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        note = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.heard.append((self.headers["authorization"], note))
        self.send_response(503 if note["text"] == "refuse me" else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        pass


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch, webhook: Webhook) -> None:
    monkeypatch.setenv("NOTES_TOKEN", TOKEN)
    monkeypatch.setenv("NOTES_WEBHOOK", webhook.url)


def serve(state: Path) -> Service:
    return Service(FOLDER, "--state", str(state))


def ask(service: Service, method: str, path: str, body: object = None) -> tuple[int, Any]:
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    with contextlib.closing(service.connect()) as connection:
        connection.request(method, path, content)
        response = connection.getresponse()
        answer = response.read()
        is_json = "json" in (response.headers["content-type"] or "")
    return response.status, json.loads(answer) if is_json else answer


@pytest.mark.usefixtures("variables")
def test_notes_attachments_and_counters_are_kept_and_the_webhook_hears_of_them(
    tmp_path: Path, webhook: Webhook
) -> None:
    photo = bytes(range(256)) * 4000
    with serve(tmp_path / "state") as service:
        added = ask(service, "POST", "/notes", {"text": "buy milk", "tag": "home"})
        other = ask(service, "POST", "/notes", {"text": "café"})
        written = ask(service, "PUT", "/notes/1/attachment", photo)
    assert (added, other) == ((201, {"id": 1, "told": True}), (201, {"id": 2, "told": True}))
    assert written == (204, b"")
    assert webhook.heard == [
        (f"Bearer {TOKEN}", {"id": 1, "text": "buy milk", "tag": "home"}),
        (f"Bearer {TOKEN}", {"id": 2, "text": "café"}),
    ]

    with serve(tmp_path / "state") as service:
        assert ask(service, "GET", "/notes?tag=home") == (200, [{"id": 1, "text": "buy milk", "tag": "home"}])
        assert [note["id"] for note in ask(service, "GET", "/notes")[1]] == [1, 2]
        assert ask(service, "GET", "/notes/1/attachment") == (200, photo)
        assert ask(service, "GET", "/statistics") == (200, {"notes:added": 2})
        assert ask(service, "GET", "/notes/2/attachment")[0] == 404
        assert ask(service, "PUT", "/notes/7/attachment", b"x")[0] == 404
        assert ask(service, "POST", "/notes", {"text": 1})[0] == 400


@pytest.mark.usefixtures("variables")
def test_a_note_is_kept_when_the_webhook_does_not_want_it_and_the_log_says_so(tmp_path: Path) -> None:
    with serve(tmp_path / "state") as service:
        answer = ask(service, "POST", "/notes", {"text": "refuse me"})

    lines = [json.loads(line) for line in service.log if '"notes"' in line]
    assert answer == (201, {"id": 1, "told": False})
    [added] = [line for line in lines if "note 1 was added" in str(line)]
    [failed] = [line for line in lines if "the webhook was not told" in str(line)]
    assert (added["level"], failed["level"]) == ("info", "warning")
    assert "was answered with 503" in str(failed)
    assert not any(TOKEN in line for line in service.log)


def test_a_webhook_that_is_not_granted_is_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES_TOKEN", TOKEN)
    monkeypatch.setenv("NOTES_WEBHOOK", "http://169.254.169.254/latest")

    with serve(tmp_path / "state") as service:
        answer = ask(service, "POST", "/notes", {"text": "x"})

    assert answer == (201, {"id": 1, "told": False})
    assert any("HTTP-request-denied" in line for line in service.log)
