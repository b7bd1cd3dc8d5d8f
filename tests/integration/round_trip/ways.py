"""The ways that a value can go: from Python to a guest, from a guest to Python, from one guest to another.

direct    Python calls a provider, which gives back what it gets
answered  Python calls a relay, whose import Python answers
fused     Python calls a relay that is composed with a provider in another language
bridged   an app that serves HTTP: a service in Python calls across a bridged link, or two of them
remote    the same, across links that could lead to another host
apart     a service on one host of a lattice calls a guest of another app, which runs on another host
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Literal

import wisp
import wisp.sync
from examples.service import Service
from tests.e2e.authority import Authority
from tests.e2e.lattice import Lattice
from tests.guests.build import component
from tests.integration.round_trip import notation
from wisp import native
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.guests.build import Name
    from wisp.host.embed.component import Binding

ECHO = "test:types/echo@0.1.0"
THINGS = "test:types/things@0.1.0"
KEEPING = "test:types/keeping@0.1.0"

Language = Literal["rust", "python"]
OTHER: dict[Language, Language] = {"rust": "python", "python": "rust"}
LIMITS = wisp.Limits(timeout=None)


@functools.cache
def guest(language: Language, role: str) -> Path:
    """Return the path of a guest."""
    name: Name = f"types/{language}-{role}"  # type: ignore[assignment]  # all of them are there
    return component(name)


@functools.cache
def composed(caller: Language, role: str, interface: str) -> bytes:
    """Return a relay or keeper in one language, composed with the provider in the other."""
    parts = {
        "caller": native.Part(guest(caller, role).read_bytes(), links={interface: "provider"}),
        "provider": native.Part(guest(OTHER[caller], "provider").read_bytes()),
    }
    return native.compose("caller", parts)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to `echo` and back."""

    call: Callable[[str, tuple[Any, ...]], str]
    """Calls a function, and returns its result as text; an error is a `wisp.Err`."""

    binding: Binding
    """The types of what is called."""


class Answers:
    """Answers `echo` as a provider does, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def keys(self) -> tuple[str, ...]:
        """Say that it is a mapping of functions."""
        return ()

    def get(self, name: str) -> Callable[..., Any]:
        """Return the function of that name."""

        def answer(*given: Any) -> Any:
            self.asked.append(given)
            return given if name == "parameters18" else _answer(name, *given)

        return answer


def _answer(name: str, value: Any = None) -> Any:
    if not name.startswith("either"):
        return value
    if isinstance(value, wisp.Err):
        raise wisp.GuestError(value.value)
    return value.value


@contextlib.contextmanager
def opened(source: Path | bytes, imports: Mapping[str, object] | None = None) -> Iterator[Way]:
    """Load a component, and call its `echo`."""
    with wisp.sync.Host() as host:
        loaded = host.load(source, imports=imports)
        with loaded.instantiate(limits=LIMITS) as made:

            def call(function: str, arguments: tuple[Any, ...]) -> str:
                try:
                    result = getattr(made[ECHO], function)(*arguments)
                except wisp.GuestError as error:
                    result = wisp.Err(error.value)
                return notation.text(result)

            yield Way(call, loaded.binding)


def direct(language: Language) -> contextlib.AbstractContextManager[Way]:
    """Let Python call a guest."""
    return opened(guest(language, "provider"))


@contextlib.contextmanager
def answered(language: Language) -> Iterator[Way]:
    """Let a guest call Python, and compare what it asked with what Python gave to it."""
    answers = Answers()
    with opened(guest(language, "relay"), {ECHO: answers}) as way:

        def call(function: str, arguments: tuple[Any, ...]) -> str:
            answers.asked.clear()
            result = way.call(function, arguments)
            assert notation.text(answers.asked) == notation.text([arguments])
            return result

        yield Way(call, way.binding)


class Coroutines(Answers):
    """The same answers, given by coroutines."""

    def get(self, name: str) -> Callable[..., Any]:
        """Return the function of that name."""
        plain = super().get(name)

        async def answer(*given: Any) -> Any:
            await asyncio.sleep(0)
            return plain(*given)

        return answer


@contextlib.contextmanager
def awaited(language: Language) -> Iterator[Way]:
    """Await a guest that awaits Python."""
    answers = Coroutines()
    with asyncio.Runner() as runner, wisp.Host() as host:
        loaded = runner.run(host.load(guest(language, "relay"), imports={ECHO: answers}))
        made = loaded.instantiate(limits=LIMITS)
        runner.run(made.__aenter__())

        async def asked(function: str, arguments: tuple[Any, ...]) -> Any:
            try:
                return await getattr(made[ECHO], function)(*arguments)
            except wisp.GuestError as error:
                return wisp.Err(error.value)

        def call(function: str, arguments: tuple[Any, ...]) -> str:
            answers.asked.clear()
            result = runner.run(asked(function, arguments))
            assert notation.text(answers.asked) == notation.text([arguments])
            return notation.text(result)

        yield Way(call, loaded.binding)
        runner.run(made.close())


def fused(language: Language) -> contextlib.AbstractContextManager[Way]:
    """Let a guest call one in the other language, in the same component."""
    return opened(composed(language, "relay", ECHO))


APP = """
app.name = "types"
[[http]]
route = "/..."
component = "front"
[component]
front = {{ source = "{front}", link."{echo}" = {{ component = "next", mode = "{mode}" }} }}
next = {{ source = "{next}"{link} }}
{last}
"""


def bridged(language: Language, folder: Path) -> contextlib.AbstractContextManager[Way]:
    """Let a service in Python call Rust, or let Rust call Python for it, over bridged links."""
    return served(language, folder, "bridged")


def remote(language: Language, folder: Path) -> contextlib.AbstractContextManager[Way]:
    """Do the same over remote links, on one host."""
    return served(language, folder, "remote")


@contextlib.contextmanager
def served(language: Language, folder: Path, mode: Literal["bridged", "remote"]) -> Iterator[Way]:
    """Let a service in Python call Rust, or let Rust call Python for it, over links of this mode."""
    provider, front = guest(OTHER[language], "provider"), guest("python", "front")
    link, last, middle = "", "", provider
    if language == "rust":
        middle = guest("rust", "relay")
        link = f', link."{ECHO}" = {{ component = "last", mode = "{mode}" }}'
        last = f'last.source = "{provider}"'
    text = APP.format(front=front, echo=ECHO, mode=mode, next=middle, link=link, last=last)
    (folder / "wisp.toml").write_text(text, encoding="utf-8")
    with Service(folder) as service, contextlib.closing(service.connect()) as connection:
        yield Way(functools.partial(asked, connection), binding_of(provider))


def binding_of(provider: Path) -> Binding:
    """Return the types of a guest."""
    with wisp.sync.Host() as host:
        return host.load(provider).binding


def asked(connection: HTTPConnection, function: str, arguments: tuple[Any, ...]) -> str:
    """Let the service at the other end of a connection call a function."""
    body = json.dumps([notation.write(each) for each in arguments])
    connection.request("POST", f"/{function}", body.encode())
    response = connection.getresponse()
    said = response.read().decode()
    assert response.status == 200, said
    return json.dumps(json.loads(said))


OFFERING = """
app.name = "values"
[component.provider]
source = "{provider}"
offer."{echo}" = "types"
"""

ASKING = """
app.name = "types"
[[http]]
route = "/..."
component = "front"
[component.front]
source = "{front}"
link."{echo}" = {{ app = "values", component = "provider" }}
"""


@contextlib.contextmanager
def apart(language: Language, folder: Path) -> Iterator[Way]:
    """Let a service in Python call a guest on another host."""
    provider, front = guest(language, "provider"), guest("python", "front")
    for name, text in (("values", OFFERING), ("types", ASKING)):
        (folder / name).mkdir()
        manifest = text.format(provider=provider, front=front, echo=ECHO)
        (folder / name / "wisp.toml").write_text(manifest, encoding="utf-8")
    authority = Authority(folder / "authority")
    with Lattice(folder, Cache.open().root, authority=authority) as lattice:
        for name in ("values", "types"):
            host = lattice.start(f"of-{name}", "--label", f"runs={name}")
            lattice.wisp("deploy", folder / name, "--require", f"runs={name}")
        with contextlib.closing(HTTPConnection(host.url.removeprefix("http://"))) as connection:
            yield Way(functools.partial(asked, connection), binding_of(provider))
