"""The embedding API without asyncio: the same names, called and not awaited.

>>> import wisp.sync
>>> with wisp.sync.Host() as host:  # doctest: +SKIP
...     processor = host.load("processor.wasm")
...     with processor.instantiate() as instance:
...         instance["cyber:packets/data-processor"].process(...)

Functions that answer imports are plain ones here: there is no event loop for an ``async def``. All of it may be used by many threads;
an instance answers one call at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.host.embedded import Host as _Host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wisp.host.embed.component import BlockingComponent
    from wisp.host.embed.loading import Source
    from wisp.host.embed.modules import BlockingModule

__all__ = ["Host"]


class Host(_Host):
    """Components in this process; see `wisp.Host`."""

    def load(  # type: ignore[override]  # the same, not awaited
        self, source: Source, *, imports: Mapping[str, object] | None = None, component: str | None = None
    ) -> BlockingComponent:
        """Compile a component, when that was not done before, and make it ready to be instantiated.

        See `wisp.Host.load`.
        """
        return self._load(source, imports, component)

    def load_module(  # type: ignore[override]  # the same, not awaited
        self, source: Source, *, imports: Mapping[str, object] | None = None
    ) -> BlockingModule:
        """Compile a core module; see `wisp.Host.load_module`."""
        from wisp.host.embed.loading import load_module, read  # noqa: PLC0415
        from wisp.host.embed.modules import BlockingModule  # noqa: PLC0415

        return BlockingModule(load_module(self._ground(), read(source), imports))

    def load_alone(self, source: Source, *, component: str | None = None) -> BlockingComponent:
        """Load a component whose imports nobody answers: to call one fails, to import it does not."""
        return self._load(source, None, component, tolerant=True)

    def _load(
        self,
        source: Source,
        imports: Mapping[str, object] | None,
        component: str | None,
        *,
        tolerant: bool = False,
    ) -> BlockingComponent:
        import asyncio  # noqa: PLC0415 - `import wisp` must not be slow
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        from wisp.host.embed.component import BlockingComponent  # noqa: PLC0415
        from wisp.host.embed.loading import load  # noqa: PLC0415

        work = load(self._ground(), source, imports, component, tolerant=tolerant)
        with ThreadPoolExecutor(1) as thread:  # the caller may be in an event loop of its own
            return BlockingComponent(thread.submit(asyncio.run, work).result())
