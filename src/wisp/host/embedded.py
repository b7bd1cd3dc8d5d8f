"""A host inside a Python program: the core that workers run, without worker processes.

It loads components whose functions the program calls, and serves one over HTTP when it is given one.
"""

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

    from wisp.host.embed.component import Component
    from wisp.host.embed.loading import Source
    from wisp.host.embed.modules import Module
    from wisp.native import Embedding, Serving


__all__ = ["Host"]


class Host:
    """Components in this process: called by the program, or served over HTTP, on threads of the host's own.

    A host is a context manager, for ``with`` and ``async with``. It may not be used in a child process after a fork, and
    ``faulthandler`` must be enabled before the first one is made, or not at all. Every event loop and thread may use it.

    ``wisp up`` serves faster, with a process for each core; serving here is for tests, tools and programs that bring a service
    along.

    Args:
        component: A ``.wasm`` file that exports ``wasi:http``, to be served; None serves nothing.
        listen: Where to listen, as ``HOST:PORT``; port 0 lets the system choose.
        access_log: Whether each request gives a line of JSON on standard output.

    Raises:
        ComponentError: The file is not a component that serves HTTP.
        ArtifactError: It cannot be compiled into the cache.
        HostError: The address cannot be listened on.

    Example:
        >>> async with wisp.Host() as host:  # doctest: +SKIP
        ...     processor = await host.load("processor.wasm")
        ...     async with processor.instantiate() as instance:
        ...         packets = instance["cyber:packets/data-processor"]
        ...         done = await packets.process(packets.Packet(id="a1", payload="x"))

    """

    def __init__(
        self, component: str | Path | None = None, *, listen: str = "127.0.0.1:0", access_log: bool = False
    ) -> None:
        self._core: Serving | None = None
        self._embedding: Embedding | None = None
        self._closed = False
        if component is None:
            return
        start = _start(component, LogSettings(format="json", access=access_log))

        from wisp import native  # noqa: PLC0415 - loading the core takes longer than importing wisp may

        self._core = native.serve(json.dumps(start), listen)

    async def load(
        self, source: Source, *, imports: Mapping[str, object] | None = None, component: str | None = None
    ) -> Component:
        """Compile a component, when that was not done before, and make it ready to be instantiated.

        Args:
            source: A ``.wasm`` file, its bytes, or the folder of an app, which is built.
            imports: By the name of an imported interface, the object that answers it: a method for each function, plain or
                ``async``. It runs on the caller's event loop. What it raises ends the call as the cause of a `Trap`; `GuestError` is
                the error of a WIT result. A resource is a class of that object, under the resource's name.
            component: Which one of an app, when it has several.

        Raises:
            ComponentError: It is no component, or cannot be read.
            LinkError: Its imports are not answered.
            ArtifactError, BuildError, ManifestError: It cannot be compiled, or the app cannot be built.

        """
        from wisp.host.embed.component import Component  # noqa: PLC0415 - slow to import
        from wisp.host.embed.loading import load  # noqa: PLC0415 - slow to import

        return Component(await load(self._ground(), source, imports, component))

    async def load_module(self, source: Source, *, imports: Mapping[str, object] | None = None) -> Module:
        """Compile a core module, and make it ready to be instantiated, or to be run when it is a program.

        WASI preview 1 is the host's; a memory that it imports is made for each instance.

        Args:
            source: A ``.wasm`` file, or its bytes.
            imports: By the name of an imported module, what answers its functions: an object with methods, or a mapping of names to
                functions, plain or ``async``. They take numbers and return one, a tuple of several, or none.

        Raises:
            ComponentError: It is no module, or cannot be read.
            LinkError: It imports something that nobody answers.

        """
        import asyncio  # noqa: PLC0415 - whoever comes here has it

        from wisp.host.embed.loading import load_module, read  # noqa: PLC0415 - slow to import
        from wisp.host.embed.modules import Module  # noqa: PLC0415 - slow to import

        wasm = await asyncio.to_thread(read, source)
        return Module(await asyncio.to_thread(load_module, self._ground(), wasm, imports))

    def _ground(self) -> Embedding:
        if self._closed:
            message = "this host is closed"
            raise ValueError(message)
        if self._embedding is None:
            from wisp import native  # noqa: PLC0415 - loading the core takes longer than importing wisp may

            self._embedding = native.embedding()
        return self._embedding

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
        self._embedding = None
        self._closed = True
        if core is not None:
            core.close(timeout)

    def _open(self) -> Serving:
        if self._core is None:
            message = "this host is closed" if self._closed else "this host serves nothing"
            raise ValueError(message)
        return self._core

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._core is None:
            self.close()
            return
        import asyncio  # noqa: PLC0415 - whoever comes here has it

        await asyncio.to_thread(self.close)

    def __del__(self) -> None:
        if getattr(self, "_core", None) is not None:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)


def _start(component: str | Path, log: LogSettings) -> Mapping[str, object]:
    """Compile a component and lock the app that serves it at every path."""
    import asyncio  # noqa: PLC0415 - what this needs is slow to import, and `import wisp` must not be
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    from wisp.host.resolve import Place, resolve  # noqa: PLC0415
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
    app = resolve(locked, Place.of(manifest.app.name, manifest.folder, None), secrets={})
    return Start((app,), {digest: found.document()}).document(0, settings)
