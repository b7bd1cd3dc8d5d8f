"""A host inside a Python program: the core that workers run, without worker processes."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

from wisp.host.address import Address
from wisp.host.settings import HostSettings, LogSettings, Start

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from wisp.native import Serving


__all__ = ["Host"]


class Host:
    """Serves one component over HTTP from this process, on threads of its own.

    ``wisp up`` serves faster, with a process for each core; this is for tests, tools and programs that bring a service
    along. A host is a context manager. It may not be used in a child process after a fork.

    Args:
        component: A ``.wasm`` file that exports ``wasi:http``.
        listen: Where to listen, as ``HOST:PORT``; port 0 lets the system choose.
        access_log: Whether each request gives a line of JSON on standard output.

    Raises:
        ComponentError: The file is not a component that serves HTTP.
        ArtifactError: It cannot be compiled into the cache.
        HostError: The address cannot be listened on.

    Example:
        >>> with wisp.Host("hello.wasm") as host:  # doctest: +SKIP
        ...     httpx.get(host.url)

    """

    def __init__(
        self, component: str | Path, *, listen: str = "127.0.0.1:0", access_log: bool = False
    ) -> None:
        self._core: Serving | None = None
        start = _start(component, LogSettings(format="json", access=access_log))

        from wisp import native  # noqa: PLC0415 - loading the core takes longer than importing wisp may

        self._core = native.serve(json.dumps(start), listen)

    @property
    def address(self) -> str:
        """Where it listens, as ``HOST:PORT``."""
        return self._open().address

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.address}/"

    def metrics(self) -> Mapping[str, object]:
        """Return counters since the start, and how many requests are in progress and wait."""
        metrics: Mapping[str, object] = json.loads(self._open().metrics())
        return metrics

    def close(self, *, timeout: float = 10.0) -> None:
        """Finish the requests that were accepted, for at most ``timeout`` seconds. Closing twice is harmless."""
        core, self._core = self._core, None
        if core is not None:
            core.close(timeout)

    def _open(self) -> Serving:
        if self._core is None:
            message = "this host is closed"
            raise ValueError(message)
        return self._core

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_core", None) is not None:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)


def _start(component: str | Path, log: LogSettings) -> Mapping[str, object]:
    """Compile a component and lock the app that serves it at every path."""
    import asyncio  # noqa: PLC0415 - what this needs is slow to import, and `import wisp` must not be
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    from wisp.manifest import load  # noqa: PLC0415
    from wisp.manifest.locked import lock_app  # noqa: PLC0415
    from wisp.registry.artifacts import artifact  # noqa: PLC0415
    from wisp.registry.cache import Cache  # noqa: PLC0415

    path = Path(component)
    cache = Cache.open()
    digest = cache.add_file(path)
    with ThreadPoolExecutor(1) as thread:  # the caller may be in an event loop of its own
        found = thread.submit(asyncio.run, artifact(cache, digest)).result()
    manifest = load.of_component(path)
    locked = lock_app(manifest, dict.fromkeys(manifest.component, digest)).to_data()
    settings = HostSettings(Address("127.0.0.1", 0), workers=1, log=log)
    message = dict(Start((locked,), {digest: found.document()}).message(0, settings))
    del message["type"]
    return message
