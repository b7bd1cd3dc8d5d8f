"""Connections to NATS, and what its errors mean to us.

A connection is one stretch of being connected. When it breaks, it is over: whoever needs NATS makes another one and looks at
everything anew. So nothing is missed between two stretches, and no watch can be silently dead after a server came back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import nats.errors
import nats.js.errors
from nats.aio.client import Client

from wisp.errors import LatticeError
from wisp.lattice.membership.access import OPEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from nats.js import JetStreamContext

    from wisp.lattice.membership.access import Access

CONNECT_TIMEOUT: Final = 3
REQUEST_TIMEOUT: Final = 5.0
READ_TIMEOUT: Final = 2.0
"""Seconds after which somebody who only reads asks again: while there is no leader, requests are lost rather than refused."""

ELECTION: Final = 15.0
"""Seconds within which a cluster that has lost a server has other leaders."""

PAUSE: Final = 0.25

WRONG_REVISION: Final = (10071, 10164)
"""The server's codes for: what is to be replaced is not at the revision that was expected."""

PING_INTERVAL: Final = 5
"""Seconds between pings; a server that does not answer two of them is gone."""

REPLICAS: Final = 3
NO_LEADER: Final = 10008
"""The server's code for: the others of the cluster have not elected a leader yet."""

NO_PEERS: Final = 10005
"""The server's code for: there are not as many servers in the cluster as replicas are wanted."""

_WRITERS: Final = ("_io_writer", "_bare_io_writer")
"""Of a connection, and what is below its TLS: the client gives up the latter without closing it."""

_WAYS_IN: Final = (
    "`wisp lattice invite` on its first host lets a machine join, `wisp lattice invite --operator` commands;"
    " for a NATS of your own put a token, or a user and a password, into --nats URL, or give --nats-creds or --nats-nkey"
)

Answer = TypeVar("Answer")

# Its lines about every lost connection would stand between ours, which say what it means.
logging.getLogger("nats").addHandler(logging.NullHandler())
logging.getLogger("nats").propagate = False
# It wraps TLS around a stream by itself, which asyncio remarks on at the end of each connection.
logging.getLogger("asyncio").addFilter(lambda record: "eof_received" not in record.getMessage())


class Silence(LatticeError):  # noqa: N818 - says it all
    """NATS does not answer: it is slow, or a cluster that has lost a server is electing another leader."""

    def __init__(self) -> None:
        super().__init__("NATS does not answer in time")


@dataclass(frozen=True, slots=True)
class Connection:
    """One stretch of being connected."""

    jetstream: JetStreamContext
    reads: JetStreamContext
    """The same, for what is read patiently."""

    over: asyncio.Event
    """Set when the connection has broken, or was closed."""

    client: Client
    replicas: int = 1
    """How often data are kept that are made now."""


class _Client(Client):
    """A client that does not speak in the clear when it was told not to, and that lets nobody wait for answers that cannot come any more."""

    encrypted = False

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        # Whoever stands in between could ask for that.
        if self.encrypted and not info.get("tls_required"):
            raise nats.errors.Error("nats: the server does not speak TLS")
        await super()._process_info(info, initial_connection)

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        for answer in list(self._resp_map.values()):
            if not answer.done():
                answer.set_exception(nats.errors.ConnectionClosedError())
        await super()._close(status, do_cbs)

    def replicas(self) -> int:
        """Return how often a cluster keeps data, or a server that is alone."""
        return REPLICAS if self._server_info.get("cluster") else 1

    async def ended(self) -> None:
        """End, whatever the connection has come to."""
        if self._status in {Client.DISCONNECTED, Client.CONNECTING}:
            # There is nothing to be sent, and a handshake that has failed would be waited for without end.
            for writer in (getattr(self._transport, name, None) for name in _WRITERS):
                if writer is not None:
                    writer.transport.abort()
            await asyncio.sleep(0)  # which closes their sockets
            return
        with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
            await self.close()


@asynccontextmanager
async def connect(url: str, *, name: str, access: Access = OPEN) -> AsyncIterator[Connection]:
    """Connect for as long as the block runs. Several URLs have commas between them. Raises LatticeError."""
    over = asyncio.Event()
    troubles: list[Exception] = []

    async def ended() -> None:
        over.set()

    async def trouble(error: Exception) -> None:
        """Keep why no connection came about. Later it is left to whoever waits for an answer: every error ends the connection."""
        if not client.is_connected:
            troubles.append(error)

    client = _Client()
    client.encrypted = access.encrypted(url)
    client._public_nkey = access.public_key()  # noqa: SLF001 - it has no option for it that needs no other library
    try:
        with explained(url, troubles):
            await client.connect(
                [one.strip() for one in url.split(",")],
                name=name,
                allow_reconnect=False,
                # At the start it is about attempts of each server; without it there would be minutes of them.
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=CONNECT_TIMEOUT,
                ping_interval=PING_INTERVAL,
                max_outstanding_pings=1,
                closed_cb=ended,
                error_cb=trouble,
                **access.options(url),
            )
        writes, reads = (client.jetstream(timeout=seconds) for seconds in (REQUEST_TIMEOUT, READ_TIMEOUT))
        yield Connection(writes, reads, over, client, client.replicas())
    finally:
        await client.ended()


async def patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask for what changes nothing, and again while a cluster that has lost a server elects another leader. Raises LatticeError."""
    until = time.monotonic() + ELECTION
    while True:
        try:
            return await ask()
        except Silence:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(PAUSE)


async def arrived(client: Client) -> None:
    """Wait until the server has all that this client has said. Raises what the client raises.

    nats-py writes the ping of its `flush` at once, and what was said before it a moment later: only the second ping is certain to come after.
    """
    await client.flush()
    await client.flush()


@contextlib.contextmanager
def explained(subject: str = "", troubles: Sequence[Exception] = ()) -> Iterator[None]:
    """Turn what the client says into an error of ours. `subject` is the URL, while connecting to it."""
    try:
        yield
    except nats.errors.NoServersError as error:
        raise _unreachable(subject, troubles) from error
    except (nats.errors.TimeoutError, TimeoutError, nats.js.errors.NoStreamResponseError) as error:
        raise Silence from error
    except nats.js.errors.ServiceUnavailableError as error:
        if error.err_code == NO_LEADER:
            raise Silence from error
        raise LatticeError("NATS has no JetStream", hint="start nats-server with --jetstream") from error
    except (nats.errors.Error, OSError) as error:
        raise _failed(subject, error) from error


def _unreachable(url: str, troubles: Sequence[Exception]) -> LatticeError:
    if found := next((one for one in troubles if isinstance(one, ssl.SSLError)), None):
        return _untrusted(url, found)
    message = f"no NATS server answers at {_without_secrets(url)}"
    return LatticeError(message, hint="start one with `wisp lattice up`, or say where it is with --nats URL")


def _failed(url: str, error: Exception) -> LatticeError:
    if isinstance(error, ssl.SSLError):
        return _untrusted(url, error)
    words = _words(error)
    if "authorization" in words.lower():
        return LatticeError(f"NATS at {_without_secrets(url)} does not let us in", hint=_WAYS_IN)
    if getattr(error, "err_code", None) == NO_PEERS:
        return LatticeError(
            f"NATS is a cluster in which servers are missing: data are kept on {REPLICAS} of them"
        )
    return LatticeError(f"NATS failed: {words}")


def _untrusted(url: str, error: ssl.SSLError) -> LatticeError:
    message = f"NATS at {_without_secrets(url)} cannot be spoken to securely: {_reason(error)}"
    hint = f"{_WAYS_IN}; --nats-ca FILE has the certificates that are believed"
    return LatticeError(message, hint=hint)


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted ({error.verify_message.rstrip('.')})"
    return (error.reason or str(error)).replace("_", " ").lower()


def _words(error: Exception) -> str:
    """Return what an error says; some of the client's say nothing but their class."""
    description = getattr(error, "description", None) or str(error) or type(error).__name__
    return str(description).removeprefix("nats: ")


def _without_secrets(url: str) -> str:
    """Return URLs without their users, passwords or tokens."""
    if "," in url:
        return ", ".join(_without_secrets(one.strip()) for one in url.split(","))
    try:
        parts = urlsplit(url)
        port = parts.port or 4222
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.hostname}:{port}"
