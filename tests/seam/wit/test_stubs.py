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
    from gateway import Counters, DataProcessor, Gateway, GatewayImports, LogTypes

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

imports: GatewayImports = {"cyber:packets/log@0.2.0": MyLog()}
"""

WRONG = {
    'packets.Packet(id="a1", payload=b"x", encryption_level=7)': 'incompatible type "bytes"; expected "str"',
    'packets.Packet(id="a1", payload="x")': 'Missing positional argument "encryption_level"',
    'await packets.process("a1")': 'incompatible type "str"; expected "Packet"',
    'packets.process(packets.Packet("a", "b", 1)).status': '"Coroutine[Any, Any, ProcessedPacket]" has no attribute "status"',
    'instance["cyber:packets/data-processor@0.1.0"]': "No overload variant",
    "await packets.send()": 'has no attribute "send"',
    'setattr_ = packets.Packet("a", "b", 1); setattr_.id = "b"': "is read-only",
    'x: GatewayImports = {"cyber:packets/log@0.2.0": object()}': 'has type "Log"',
}
HEAD = """\
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from gateway import Gateway, GatewayImports

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


def test_the_text_is_the_same_every_time_and_plain_for_sync(folder: Path) -> None:
    wit = read.read(folder / "wit")

    options = stubs.Options("Gateway", title="`gateway.wasm`", sync=True)
    text = stubs.write(wit, wit.worlds["gateway"], options)

    assert text == stubs.write(wit, wit.worlds["gateway"], options)
    assert "    def process(self, input: DataProcessor.Packet) -> DataProcessor.ProcessedPacket: ..." in text
    assert "    async def" not in text
    compile(text, "gateway.pyi", "exec")
