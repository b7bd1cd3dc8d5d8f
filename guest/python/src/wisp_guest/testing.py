"""A host for tests of handlers, in this process: stores in memory, a configuration, and somebody who answers requests.

    from wisp_guest import testing
    from wisp_guest.http import Request

    def test_it_counts() -> None:
        with testing.host(config={"greeting": "hi"}) as host:
            assert handle(Request("GET", "/")).status == 200
            assert host.keyvalue["default"]["hits"] == b"1"

Everything is granted, and nothing lasts longer than the block. SQL is that of this Python's `sqlite3`.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING

from wisp_guest import _host, _outgoing, blobstore, keyvalue, messaging, sqlite
from wisp_guest import config as configuration
from wisp_guest._fakes import blobs, databases, stores
from wisp_guest._request_errors import UnreachableError
from wisp_guest.http import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType

    from wisp_guest._outgoing import Outgoing
    from wisp_guest.http import Response

__all__ = ["Host", "Message", "host"]


@dataclass(frozen=True, slots=True)
class Message:
    """What was published."""

    subject: str
    body: bytes
    content_type: str | None
    headers: list[tuple[str, str]]


@dataclass(slots=True)
class Host:
    """What the tested code has left with its host."""

    config: dict[str, str]
    keyvalue: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Stores by name, each with its values by key."""

    blobstore: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Containers by name, each with its blobs by name."""

    messages: list[Message] = field(default_factory=list)
    """What was published."""

    requests: list[Request] = field(default_factory=list)
    """What was sent."""


@contextmanager
def host(
    *, config: Mapping[str, str] | None = None, web: Callable[[Request], Response] | None = None
) -> Iterator[Host]:
    """Answer the modules of this library inside of the block.

    Args:
        config: The configuration.
        web: What answers the requests that are sent; the header `host` says to whom. Without it nobody can be reached.

    """
    asked = Host(dict(config or {}))
    with ExitStack() as after:
        after.callback(_host.another_host)
        _host.another_host()
        _answer(after, configuration, "values", _configuration(asked.config))
        opened, values, pages, more = stores(asked.keyvalue)
        _answer(after, keyvalue, "stores", opened)
        _answer(after, keyvalue, "atomics", values)
        _answer(after, keyvalue, "batch", pages)
        _answer(after, keyvalue, "extension", more)
        containers, kinds = blobs(asked.blobstore)
        _answer(after, blobstore, "blobs", containers)
        _answer(after, blobstore, "types", kinds)
        _answer(after, sqlite, "sql", databases(after))
        _answer(after, messaging, "types", SimpleNamespace(Message=lambda *parts: parts))
        _answer(after, messaging, "producer", _producer(asked.messages))
        _send_to(after, _Web(asked.requests, web))
        yield asked


def _answer(after: ExitStack, module: ModuleType, name: str, answers: object) -> None:
    """Put something in the place of the bindings of an interface that a module has, for the time being."""
    interface = getattr(module, name)
    after.callback(setattr, interface, "bindings", interface.bindings)
    interface.bindings = answers


def _configuration(values: Mapping[str, str]) -> SimpleNamespace:
    return SimpleNamespace(get=values.get, get_all=lambda: list(values.items()))


def _producer(messages: list[Message]) -> SimpleNamespace:
    def publish(subject: str, parts: tuple[bytes, str | None, list[tuple[str, str]]]) -> None:
        messages.append(Message(subject, *parts))

    return SimpleNamespace(publish=publish)


class _Web:
    """Sends requests to a function."""

    def __init__(self, requests: list[Request], answer: Callable[[Request], Response] | None) -> None:
        self._requests = requests
        self._answer = answer

    def send(self, outgoing: Outgoing) -> _Incoming:
        scheme, _, rest = outgoing.url.partition("://")
        authority, slash, path = rest.partition("/")
        content = outgoing.content
        if not isinstance(content, bytes):
            content = b"".join(content)  # type: ignore[arg-type]
        headers = [*outgoing.headers.items(), ("host", authority)]
        request = Request(outgoing.method, f"{slash or '/'}{path}", headers=headers, body=content)
        self._requests.append(request)
        if self._answer is None:
            message = f"{scheme}://{authority}: nobody answers in this test"
            raise UnreachableError(message, "destination-not-found")
        return _Incoming(self._answer(request))

    async def send_async(self, outgoing: Outgoing) -> _Incoming:
        content = outgoing.content
        if hasattr(content, "__aiter__"):
            content = b"".join([piece async for piece in content])
        return self.send(
            _outgoing.Outgoing(outgoing.method, outgoing.url, outgoing.headers, content, outgoing.timeouts)
        )


class _Incoming:
    """A response, as `client` reads one."""

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.headers: Sequence[tuple[str, bytes]] = [
            (name, value.encode("latin-1")) for name, value in response.headers.items()
        ]
        body = response.body
        self._pieces = iter((body,) if isinstance(body, bytes) else body)  # type: ignore[arg-type]

    def read(self) -> bytes:
        return next((piece for piece in self._pieces if piece), b"")

    async def read_async(self) -> bytes:
        return self.read()

    def close(self) -> None:
        self._pieces = iter(())


def _send_to(after: ExitStack, web: _Web) -> None:
    for name in ("send", "send_async"):
        after.callback(setattr, _outgoing, name, getattr(_outgoing, name))
        setattr(_outgoing, name, getattr(web, name))
