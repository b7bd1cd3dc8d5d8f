"""The types that `wisp wit stubs` writes: mypy strict accepts right programs, and refuses wrong ones for the right reason."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.seam.wit.samples import NEW, write
from wisp.wit import read, stubs

if TYPE_CHECKING:
    from pathlib import Path

WORLD = """\
world gateway {
  import log;
  export data-processor;
  export counters;
  export version: func() -> string;
  import shelf;
  export flows;
}
interface shelf {
  resource book {
    constructor(title: string, pages: u32);
    read: func(pages: u32) -> result<u32, string>;
    bound: static func(first: book, second: borrow<book>) -> book;
  }
  resource ticket;
  find: func(title: string) -> option<book>;
  pages: async func(title: string) -> stream<u8>;
  later: func(numbers: stream<u32>) -> future<string>;
}
interface flows {
  use shelf.{book};
  look-at: func(book: borrow<book>) -> string;
  doubled: async func(numbers: stream<u32>) -> stream<u32>;
  upper: async func(text: stream<u8>) -> stream<u8>;
  later: func(value: future<string>) -> future<u32>;
  records: func() -> stream<tuple<u32, u32>>;
  wrong: func(what: error-context);
}
interface log {
  enum level { info, error }
  write: func(level: level, text: string) -> result<_, string>;
}
interface counters {
  flags options { sticky, shared-by-all }
  variant outcome { done(u32), later, %from(list<u8>) }
  resource counter {
    constructor(start: u32);
    add: func(n: u32) -> outcome;
    merge: static func(all: list<counter>) -> counter;
  }
  peek: func(it: borrow<counter>, deep: option<option<u32>>) -> result<tuple<u32, char>>;
  all: func() -> list<result<u8, string>>;
  watch: async func() -> stream<u8>;
}
"""

RIGHT = """\
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from gateway import Counters, DataProcessor, Gateway, GatewayImports, LogTypes, ShelfTypes
    from wisp.host.embed import streams

class MyLog:
    async def write(self, level: LogTypes.Level, text: str) -> None:
        print(level.name, text)

async def run(instance: Gateway) -> bytes:
    packets = instance["cyber:packets/data-processor@0.2.0"]
    done = await packets.process(packets.Packet(id="a1", payload="x", encryption_level=7))
    if done.status is packets.Status.CLEAN:
        print(await instance.version())
    counters = instance["cyber:packets/counters@0.2.0"]
    async with await counters.Counter.new(7) as counter:
        match await counter.add(1):
            case Counters.Outcome_Done(value):
                print(value + 1)
            case Counters.Outcome_Later():
                print("later")
            case Counters.Outcome_From(value=rest):
                return rest
        number, letter = await counters.peek(counter, None)
        print(number + 1, letter.upper(), await counters.Counter.merge([counter]))
    return done.verification_hash

async def flow(instance: Gateway) -> str:
    flows = instance["cyber:packets/flows@0.2.0"]
    async for number in await flows.doubled([1, 2]):
        print(number + 1)
    async with await flows.doubled(await flows.doubled(range(3))) as numbers:
        print(await anext(numbers) + 1)
    print(b"".join([piece async for piece in await flows.upper(b"abc")]))
    later = await flows.later("x")
    print(await later + 1)
    return await flows.look_at(MyShelf.Book("a", 1))

class MyBook:
    def __init__(self, title: str, pages: int) -> None:
        self.title = title

    async def read(self, pages: int) -> int:
        return pages

    @staticmethod
    def bound(first: ShelfTypes.Book, second: ShelfTypes.Book) -> ShelfTypes.Book:
        return first

class MyTicket:
    pass

class MyShelf:
    Book = MyBook
    Ticket = MyTicket

    def find(self, title: str) -> MyBook | None:
        return MyBook(title, 1)

    async def pages(self, title: str) -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"x"
        return pieces()

    async def later(self, numbers: streams.Stream[int]) -> str:
        return str([number async for number in numbers])

imports: GatewayImports = {"cyber:packets/log@0.2.0": MyLog(), "cyber:packets/shelf@0.2.0": MyShelf()}
"""

BAD_SHELF = """\
class Bad:
        class Ticket: ...
        class Book:
            def __init__(self, {parameters}) -> None: ...
            def read(self, pages: {pages}) -> int: return 1
            @staticmethod
            def bound(first: object, second: object) -> Bad.Book: return Bad.Book("", 1)
        def find(self, title: str) -> {found}: return None
        async def pages(self, title: str) -> {stream}: return b""
        async def later(self, numbers: object) -> str: return ""
    shelf: Shelf = Bad()"""


def bad(
    parameters: str = "title: str, pages: int", pages: str = "int", found: str = "None", stream: str = "bytes"
) -> str:
    """Return a class that answers `shelf`, with one thing in it."""
    return BAD_SHELF.format(parameters=parameters, pages=pages, found=found, stream=stream)


WRONG = {
    bad(parameters="title: bytes, pages: int"): 'variable has type "Shelf"',
    bad(pages="str"): 'variable has type "Shelf"',
    bad(found="int"): 'variable has type "Shelf"',
    bad(stream="list[int]"): 'variable has type "Shelf"',
    'await instance["cyber:packets/flows@0.2.0"].doubled(["a"])': 'List item 0 has incompatible type "str"; expected "int"',
    'await instance["cyber:packets/flows@0.2.0"].upper("text")': 'incompatible type "str"',
    'await instance["cyber:packets/flows@0.2.0"].look_at("a")': 'incompatible type "str"; expected "Book"',
    'await (await instance["cyber:packets/flows@0.2.0"].later(1))': 'incompatible type "int"',
    '(await instance["cyber:packets/flows@0.2.0"].doubled([])).send(1)': 'has no attribute "send"',
    'await instance["cyber:packets/flows@0.2.0"].wrong(1)': 'incompatible type "int"; expected "Never"',
    'packets.Packet(id="a1", payload=b"x", encryption_level=7)': 'incompatible type "bytes"; expected "str"',
    'packets.Packet(id="a1", payload="x")': 'Missing positional argument "encryption_level"',
    'await packets.process("a1")': 'incompatible type "str"; expected "Packet"',
    'packets.process(packets.Packet("a", "b", 1)).status': '"Coroutine[Any, Any, ProcessedPacket]" has no attribute "status"',
    'instance["cyber:packets/data-processor@0.1.0"]': "No overload variant",
    "await packets.send()": 'has no attribute "send"',
    'setattr_ = packets.Packet("a", "b", 1); setattr_.id = "b"': "is read-only",
    "log: Log = object()": 'variable has type "Log"',
    'x: GatewayImports = {"cyber:packets/log@0.2.0": 1}': 'Missing key "cyber:packets/shelf@0.2.0"',
}
HEAD = """\
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from gateway import Gateway, GatewayImports, Log, Shelf

async def run(instance: Gateway) -> None:
    packets = instance["cyber:packets/data-processor@0.2.0"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typed")
    text = NEW.replace("world processor { export data-processor; }", WORLD)
    wit = read.read(write(folder / "wit", text))
    stub = stubs.write(wit, wit.worlds["gateway"], stubs.Options("Gateway", title="`gateway.wasm`"))
    (folder / "gateway.pyi").write_text(stub)
    return folder


def mypy(folder: Path, programs: dict[str, str]) -> str:
    for name, text in programs.items():
        (folder / name).write_text(text)
    environment = {**os.environ, "MYPYPATH": str(folder)}
    options = ["--strict", "--config-file", "", "--cache-dir", str(folder / "cache")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "gateway.pyi", *programs],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout


def test_mypy_accepts_a_right_program(folder: Path) -> None:
    assert mypy(folder, {"right.py": RIGHT}) == "Success: no issues found in 2 source files\n"


def test_mypy_refuses_each_wrong_program_for_its_reason(folder: Path) -> None:
    programs = {f"wrong{number}.py": f"{HEAD}    {line}\n" for number, line in enumerate(WRONG)}

    said = mypy(folder, programs)

    for name, reason in zip(programs, WRONG.values(), strict=True):
        found = [line for line in said.splitlines() if line.startswith(f"{name}:") and " error: " in line]
        assert any(reason in line for line in found), f"{programs[name]}\n{said}"


def test_what_cannot_cross_to_python_has_no_value(folder: Path) -> None:
    text = (folder / "gateway.pyi").read_text()

    assert "    async def records(self) -> Never: ..." in text
    assert "    async def wrong(self, what: Never) -> None: ..." in text


def test_the_text_is_the_same_every_time_and_plain_for_sync(folder: Path) -> None:
    wit = read.read(folder / "wit")

    options = stubs.Options("Gateway", title="`gateway.wasm`", sync=True)
    text = stubs.write(wit, wit.worlds["gateway"], options)

    assert text == stubs.write(wit, wit.worlds["gateway"], options)
    assert "    def process(self, input: DataProcessor.Packet) -> DataProcessor.ProcessedPacket: ..." in text
    assert "    async def" not in text
    assert "-> streams.BlockingStream[bytes]: ..." in text
    assert "value: concurrent.futures.Future[str] | str) -> streams.BlockingFuture[int]: ..." in text
    compile(text, "gateway.pyi", "exec")
