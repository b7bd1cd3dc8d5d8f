"""Connections to NATS: this module, `bucket`, `objects`, `requests` and `waiting` are the only ones that import its client.

A connection is one stretch of being connected. When it breaks, it is over: whoever needs NATS makes another one and looks at
everything anew. So nothing is missed between two stretches, and no watch can be silently dead after a server came back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import nats.errors
import nats.js.errors
from nats.aio.client import Client

from wisp.errors import LatticeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from nats.js import JetStreamContext

CONNECT_TIMEOUT: Final = 3
REQUEST_TIMEOUT: Final = 5.0

WRONG_REVISION: Final = (10071, 10164)
"""The server's codes for: what is to be replaced is not at the revision that was expected."""

PING_INTERVAL: Final = 5
"""Seconds between pings; a server that does not answer two of them is gone."""

# Its lines about every lost connection would stand between ours, which say what it means.
logging.getLogger("nats").addHandler(logging.NullHandler())
logging.getLogger("nats").propagate = False


@dataclass(frozen=True, slots=True)
class Connection:
    """One stretch of being connected."""

    jetstream: JetStreamContext
    over: asyncio.Event
    """Set when the connection has broken, or was closed."""

    client: Client


@asynccontextmanager
async def connect(url: str, *, name: str) -> AsyncIterator[Connection]:
    """Connect for as long as the block runs. Raises LatticeError."""
    over = asyncio.Event()

    async def ended() -> None:
        over.set()

    async def trouble(error: Exception) -> None:
        """Leave it to whoever waits for an answer: every error of the connection ends it."""

    client = Client()
    try:
        with explained(url):
            await client.connect(
                url,
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
            )
        yield Connection(client.jetstream(timeout=REQUEST_TIMEOUT), over, client)
    finally:
        with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
            await client.close()


@contextlib.contextmanager
def explained(subject: str = "") -> Iterator[None]:
    """Turn what the client says into an error of ours. `subject` is the URL, while connecting to it."""
    try:
        yield
    except nats.errors.NoServersError as error:
        where = _without_secrets(subject)
        message = f"no NATS server answers at {where}"
        hint = "start one with `wisp lattice up`, or say where it is with --nats URL"
        raise LatticeError(message, hint=hint) from error
    except (nats.errors.TimeoutError, TimeoutError) as error:
        raise LatticeError("NATS does not answer in time") from error
    except nats.js.errors.ServiceUnavailableError as error:
        raise LatticeError("NATS has no JetStream", hint="start nats-server with --jetstream") from error
    except (nats.errors.Error, OSError) as error:
        words = _words(error)
        if "authorization" in words.lower():
            message = f"NATS at {_without_secrets(subject)} does not let us in"
            raise LatticeError(
                message, hint="put its token, or a user and a password, into --nats URL"
            ) from error
        message = f"NATS failed: {words}"
        raise LatticeError(message) from error


def _words(error: Exception) -> str:
    """Return what an error says; some of the client's say nothing but their class."""
    description = getattr(error, "description", None) or str(error) or type(error).__name__
    return str(description).removeprefix("nats: ")


def _without_secrets(url: str) -> str:
    """Return a URL without its user, password or token."""
    try:
        parts = urlsplit(url)
        port = parts.port or 4222
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.hostname}:{port}"
