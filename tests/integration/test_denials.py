"""A component that is linked to gains nothing of what its caller may, whichever way it is linked, and whatever its language."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from examples.service import Service
from tests.guests.build import component

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The first run of all builds and compiles the guests.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

APP = """
app.name = "denials"

[[http]]
route = "/..."
component = "caller"

[component.caller]
source = "{caller}"
environment.SECRET = "of the caller"

[component.caller.grants]
keyvalue = ["default"]
config = {{ token = "the caller's" }}

[component.caller.link]
"test:spying/spy@0.1.0" = {{ component = "spy", mode = "{mode}" }}
"test:spying/vault@0.1.0" = {{ component = "vault", mode = "bridged" }}
"http://safe.internal" = "vault"

[component.spy]
source = "{spy}"

[component.vault]
source = "{vault}"
"""


def app(folder: Path, mode: str, language: str) -> Path:
    """Write an app whose caller has a secret, and may reach the vault; the spy is given nothing."""
    manifest = APP.format(
        mode=mode,
        caller=component("spies/rust-caller"),
        vault=component("spies/rust-vault"),
        spy=component("spies/rust-spy" if language == "rust" else "spies/python-spy"),
    )
    (folder / "wisp.toml").write_text(manifest, encoding="utf-8")
    return folder


def ask(service: Service, path: str) -> tuple[int, str]:
    with contextlib.closing(service.connect()) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()


@dataclass(frozen=True, slots=True)
class Served:
    """The app with a spy in one language, linked in one way."""

    service: Service
    mode: str
    language: str


CASES = [f"{mode} {language}" for mode in ("fused", "bridged") for language in ("rust", "python")]


@pytest.fixture(scope="module", params=CASES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    mode, language = request.param.split()
    with Service(app(tmp_path_factory.mktemp("app"), mode, language)) as service:
        yield Served(service, mode, language)


@pytest.fixture
def place() -> Iterator[str]:
    """Return where somebody listens, to whom nobody may connect."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        listener.setblocking(False)
        yield f"{host}:{port}"
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_the_caller_has_what_it_was_given(served: Served) -> None:
    assert ask(served.service, "/own/environment?SECRET") == (200, "got of the caller")
    assert ask(served.service, "/own/fetch?vault.internal") == (200, "got 234")
    assert ask(served.service, "/own/fetch?safe.internal") == (200, "got 234")
    assert ask(served.service, "/own/fetch?spy.internal") == (200, "nothing: ErrorCode::HttpRequestDenied")
    assert ask(served.service, "/own/open?default") == (200, "got a store")
    assert ask(served.service, "/own/configured?token") == (200, "got the caller's")
    assert ask(served.service, "/vault") == (200, "open sesame")


DENIED = {
    ("environment?SECRET", "rust"): "environment variable not found",
    ("environment?SECRET", "python"): "KeyError('SECRET')",
    ("list?/", "rust"): "Capabilities insufficient (os error 76)",
    ("list?/", "python"): "FileNotFoundError(44, 'No such file or directory')",
    ("read?/etc/passwd", "rust"): "Capabilities insufficient (os error 76)",
    ("read?/etc/passwd", "python"): "FileNotFoundError(44, 'No such file or directory')",
    ("write?/written", "rust"): "Capabilities insufficient (os error 76)",
    ("write?/written", "python"): "FileNotFoundError(44, 'No such file or directory')",
}


def test_what_is_linked_to_gets_nothing(served: Served) -> None:
    for (way, language), reason in DENIED.items():
        if language == served.language:
            assert ask(served.service, f"/spy/{way}") == (200, f"nothing: {reason}")


def test_what_is_linked_to_has_neither_the_stores_nor_the_configuration_of_its_caller(served: Served) -> None:
    if served.language == "rust":  # the spy in Python imports no more than WASI
        status, said = ask(served.service, "/spy/open?default")

        assert (status, said.partition(": ")[0]) == (200, "nothing")
        assert ask(served.service, "/spy/configured?token") == (200, "nothing: no value")


def test_what_is_linked_to_may_log(served: Served) -> None:
    if served.language == "rust":
        assert ask(served.service, "/spy/log?hello") == (200, "got a line")


def test_what_is_linked_to_connects_to_nobody(served: Served, place: str) -> None:
    reason = {"rust": "access-denied (error 1)", "python": "PermissionError(2, 'Permission denied')"}[
        served.language
    ]

    assert ask(served.service, f"/spy/connect?{place}") == (200, f"nothing: {reason}")


def test_what_is_linked_to_reaches_neither_a_neighbour_of_its_caller_nor_anybody_else_over_http(
    served: Served, place: str
) -> None:
    if served.language == "rust":  # componentize-py's own library has no HTTP to try it with
        for authority in ("vault.internal", "safe.internal", place):
            denied = (200, "nothing: ErrorCode::HttpRequestDenied")
            assert ask(served.service, f"/spy/fetch?{authority}") == denied


def test_what_is_linked_to_resolves_no_names(served: Served) -> None:
    status, said = ask(served.service, "/spy/resolve?localhost")

    if served.mode == "fused":
        assert status == 502
    else:
        assert (status, said.startswith("nothing: ")) == (200, True)


@pytest.mark.parametrize("language", ["rust", "python"])
def test_what_an_interface_has_no_error_for_is_a_trap_that_says_who_was_denied_what(
    tmp_path: Path, language: str
) -> None:
    with Service(app(tmp_path, "fused", language)) as service:
        ask(service, "/spy/resolve?localhost")

    assert any("#instance-network is not granted to spy" in line for line in service.log)
