"""Core modules that import functions, memories and WASI preview 1."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import wisp
import wisp.sync
from tests.guests.build import component
from tests.seam import wasm

if TYPE_CHECKING:
    from collections.abc import Iterator

_TYPES = wasm.section(1, b"\x02\x60\x02\x7f\x7f\x01\x7f\x60\x00\x01\x7f")
_LOG = wasm.name("env") + wasm.name("log") + b"\x00\x00"
_GREET = wasm.section(10, b"\x01\x08\x00\x41\x08\x41\x05\x10\x00\x0b")
_HELLO = wasm.section(11, b"\x01\x00\x41\x08\x0b\x05hello")

LOGS = b"".join(
    [
        wasm.MODULE,
        _TYPES,
        wasm.section(2, b"\x01" + _LOG),
        wasm.section(3, b"\x01\x01"),
        wasm.section(5, b"\x01\x00\x01"),
        wasm.section(7, b"\x02" + wasm.name("memory") + b"\x02\x00" + wasm.name("greet") + b"\x00\x01"),
        _GREET,
        _HELLO,
    ]
)
"""Has `hello` at 8 in its memory; `greet: () -> i32` gives what `log(8, 5)` of `env` gives."""

SHARES = b"".join(
    [
        wasm.MODULE,
        _TYPES,
        wasm.section(2, b"\x02" + _LOG + wasm.name("env") + wasm.name("memory") + b"\x02\x00\x02"),
        wasm.section(3, b"\x01\x01"),
        wasm.section(7, b"\x01" + wasm.name("greet") + b"\x00\x01"),
        _GREET,
        _HELLO,
    ]
)
"""The same with a memory of two pages that it imports."""

NUMBERS = b"".join(
    [
        wasm.MODULE,
        wasm.section(1, b"\x01\x60\x04\x7f\x7e\x7d\x7c\x04\x7f\x7e\x7d\x7c"),
        wasm.section(2, b"\x01" + wasm.name("env") + wasm.name("same") + b"\x00\x00"),
        wasm.section(3, b"\x01\x00"),
        wasm.section(7, b"\x01" + wasm.name("same") + b"\x00\x01"),
        wasm.section(10, b"\x01\x0c\x00\x20\x00\x20\x01\x20\x02\x20\x03\x10\x00\x0b"),
    ]
)
"""Passes numbers of all types to `same` of `env`, and gives what that gives."""

TABLE = b"".join(
    [
        wasm.MODULE,
        wasm.section(2, b"\x01" + wasm.name("env") + wasm.name("table") + b"\x01\x70\x00\x01"),
    ]
)


SPINS = b"".join(
    [
        wasm.MODULE,
        wasm.section(1, b"\x01\x60\x00\x00"),
        wasm.section(3, b"\x01\x00"),
        wasm.section(7, b"\x01" + wasm.name("_start") + b"\x00\x00"),
        wasm.section(10, b"\x01\x07\x00\x03\x40\x0c\x00\x0b\x0b"),
    ]
)
"""A program that loops."""


@pytest.fixture(scope="module")
def host() -> Iterator[wisp.sync.Host]:
    with wisp.sync.Host() as made:
        yield made


@pytest.mark.parametrize("module", [LOGS, SHARES], ids=["own memory", "imported memory"])
def test_a_function_of_python_answers_and_reads_and_writes_the_memory(
    host: wisp.sync.Host, module: bytes
) -> None:
    said = []

    def log(place: int, length: int) -> int:
        said.append(instance.memory.read(place, length))
        instance.memory.write(place, b"HELLO")
        return len(instance.memory)

    with host.load_module(module, imports={"env": {"log": log}}).instantiate() as instance:
        size = instance["greet"]()

        assert size in {65536, 2 * 65536}
        assert said == [b"hello"]
        assert instance.memory.read(8, 5) == b"HELLO"
        with pytest.raises(IndexError):
            instance.memory.read(size, 1)


async def test_a_coroutine_answers_on_the_loop_and_uses_the_memory() -> None:
    class Environment:
        async def log(self, place: int, length: int) -> int:
            await asyncio.sleep(0)
            text = instance.memory.read(place, length)
            return int(text == b"hello" and asyncio.get_running_loop() is loop)

    loop = asyncio.get_running_loop()
    async with wisp.Host() as host:
        module = await host.load_module(LOGS, imports={"env": Environment()})
        async with module.instantiate() as instance:
            assert await instance["greet"]() == 1


async def test_a_coroutine_is_cancelled_with_its_call() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def log(*_: int) -> int:
        started.set()
        try:
            return await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with wisp.Host() as host:
        module = await host.load_module(LOGS, imports={"env": {"log": log}})
        async with module.instantiate() as instance:
            task = asyncio.create_task(instance["greet"]())
            await started.wait()
            task.cancel()
            await cancelled.wait()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(wisp.InstanceClosed):
                await instance["greet"]()


async def test_the_memory_is_gone_with_its_instance() -> None:
    async with wisp.Host() as host:
        module = await host.load_module(LOGS, imports={"env": {"log": lambda *_: 0}})
        async with module.instantiate() as instance:
            assert await instance["greet"]() == 0
        with pytest.raises(wisp.HostError, match="the instance is closed"):
            instance.memory.read(0, 1)


def test_numbers_of_all_types_cross_both_ways(host: wisp.sync.Host) -> None:
    given = []

    def same(*numbers: float) -> Any:
        given.append(numbers)
        return numbers

    with host.load_module(NUMBERS, imports={"env": {"same": same}}).instantiate() as instance:
        assert instance["same"](-1, 2**63, 0.5, 0.1) == (-1, -(2**63), 0.5, 0.1)
    assert given == [(-1, -(2**63), 0.5, 0.1)]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (lambda *_: "x", "the result of log: expected i32, found str"),
        (lambda *_: 2**32, "the result of log: expected i32, found int"),
    ],
)
def test_an_answer_that_is_no_number_of_its_type_is_a_trap_that_says_so(
    host: wisp.sync.Host, answer: object, cause: str
) -> None:
    with host.load_module(LOGS, imports={"env": {"log": answer}}).instantiate() as instance:
        with pytest.raises(wisp.Trap) as caught:
            instance["greet"]()
        assert str(caught.value.__cause__) == cause
        assert instance.closed


def test_an_integer_without_a_sign_is_taken_for_its_bits(host: wisp.sync.Host) -> None:
    with host.load_module(LOGS, imports={"env": {"log": lambda *_: 0xFFFF_FFFF}}).instantiate() as instance:
        assert instance["greet"]() == -1


def test_what_a_function_raises_is_the_cause_of_the_trap(host: wisp.sync.Host) -> None:
    def log(place: int, length: int) -> int:
        raise KeyError(place, length)

    with host.load_module(LOGS, imports={"env": {"log": log}}).instantiate() as instance:
        with pytest.raises(wisp.Trap) as caught:
            instance["greet"]()
        assert repr(caught.value.__cause__) == "KeyError(8, 5)"


def test_an_imported_memory_counts_as_the_instance_s_own(host: wisp.sync.Host) -> None:
    module = host.load_module(SHARES, imports={"env": {"log": print}})

    assert module.memories == ("memory",)
    with pytest.raises(wisp.CallError), module.instantiate(limits=wisp.Limits(memory="64KiB")):
        pass


@pytest.mark.parametrize(
    ("module", "imports", "message"),
    [
        (LOGS, {}, "imports `log` of `env`, and nothing answers it"),
        (LOGS, {"env": {"lag": print}}, "imports `log` of `env`, and nothing answers it"),
        (LOGS, {"env": {"log": print}, "host": {}}, "does not import functions of `host`"),
        (TABLE, {}, "imports `table` of `env`, a table, and gets only functions and memories"),
    ],
)
def test_imports_that_do_not_fit_are_refused_when_the_module_is_loaded(
    host: wisp.sync.Host, module: bytes, imports: dict[str, object], message: str
) -> None:
    with pytest.raises(wisp.LinkError, match=message):
        host.load_module(module, imports=imports)


@pytest.fixture(scope="module")
def program(host: wisp.sync.Host) -> Any:
    return host.load_module(component("preview1"))


def test_a_program_has_arguments_variables_and_input_and_its_output_is_returned(program: Any) -> None:
    joined = program.run(["program", "arguments", "a", "b c"])
    assert (joined.exit_code, joined.stdout, joined.stderr) == (0, b"a|b c\n", b"")
    assert program.run(["program", "environment"], environment={"A": "1"}).stdout == b"A=1\n"
    assert program.run(["program", "echo"], stdin=b"\0\xff text").stdout == b"\0\xff text"
    assert program.run(["program", "error", "oh"]).stderr == b"oh\n"


def test_a_program_may_not_read_files(program: Any) -> None:
    read = program.run(["program", "read", "/etc/passwd"])

    assert (read.exit_code, read.stdout) == (1, b"")
    assert b"refused" in read.stderr


def test_the_exit_code_of_a_program_is_returned(program: Any) -> None:
    assert program.run(["program", "exit", "7"]).exit_code == 7
    assert program.run(["program"]).exit_code == 64


def test_a_program_that_traps_raises(program: Any) -> None:
    with pytest.raises(wisp.Trap, match="unreachable"):
        program.run(["program", "trap"])


def test_what_a_program_writes_is_passed_on_if_it_is_not_captured(
    program: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    done = program.run(["program", "arguments", "out"], capture=False)

    assert (done.exit_code, done.stdout) == (0, b"")
    assert capfd.readouterr().out == "out\n"


async def test_a_program_can_be_awaited_and_is_stopped_when_it_takes_too_long() -> None:
    async with wisp.Host() as host:
        module = await host.load_module(component("preview1"))
        done = await asyncio.gather(*(module.run(["p", "exit", str(code)]) for code in range(5)))
        assert [each.exit_code for each in done] == list(range(5))

        spinning = await host.load_module(SPINS)
        with pytest.raises(wisp.Timeout):
            await spinning.run(limits=wisp.Limits(timeout=0.05))


def test_a_module_that_is_no_program_is_refused(host: wisp.sync.Host) -> None:
    with pytest.raises(wisp.LinkError, match="exports no `_start`"):
        host.load_module(wasm.ADD).run()


def test_functions_of_wasi_can_be_answered_by_python(host: wisp.sync.Host) -> None:
    asked: list[int] = []
    module = host.load_module(
        wasm.program(3), imports={"wasi_snapshot_preview1": {"proc_exit": asked.append}}
    )

    assert module.run().exit_code == 0
    assert asked == [3]
