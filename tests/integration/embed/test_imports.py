"""Functions of Python answer a guest's imports."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

import wisp
import wisp.sync
from tests.integration.embed.guest import ECHO, LOG, RELAY, Log, values


async def relay(answers: object, *, module: bool = False) -> Any:
    del module
    host = wisp.Host()
    loaded = await host.load(values(), imports={LOG: answers})
    instance = loaded.instantiate(output=False)
    await instance.__aenter__()
    return instance


async def test_a_plain_method_answers() -> None:
    log = Log()
    instance = await relay(log)

    assert await instance[RELAY].write("line", 3) == 4
    assert log.lines == [("line", 3)]


async def test_a_coroutine_answers_on_the_caller_s_loop() -> None:
    class Answers(Log):
        async def write(self, line: str, level: int) -> int:  # type: ignore[override]
            await asyncio.sleep(0)
            loops.append(asyncio.get_running_loop())
            return level * 2

    loops: list[object] = []
    instance = await relay(Answers())

    assert await instance[RELAY].write("line", 4) == 8
    assert await instance[RELAY].repeat(3) == 6
    assert set(loops) == {asyncio.get_running_loop()}


async def test_a_mapping_of_functions_answers() -> None:
    instance = await relay({"write": lambda line, level: len(line) + level, "check": lambda packet: packet})

    assert await instance[RELAY].write("abc", 1) == 4


async def test_records_cross_both_ways() -> None:
    instance = await relay(Log())
    packet = instance[ECHO].Packet("a", "b", 1)

    assert await instance[RELAY].check(packet) == packet


async def test_a_guest_error_is_the_error_of_the_result() -> None:
    class Answers(Log):
        def check(self, packet: Any) -> Any:
            raise wisp.GuestError(packet.id + " is refused")

    instance = await relay(Answers())

    with pytest.raises(wisp.GuestError) as caught:
        await instance[RELAY].check(instance[ECHO].Packet("a", "b", 1))
    assert caught.value.value == "a is refused"
    assert not instance.closed


async def test_an_exception_is_a_trap_that_carries_it() -> None:
    class Answers(Log):
        def write(self, line: str, level: int) -> int:
            message = f"{line} {level}"
            raise KeyError(message)

    instance = await relay(Answers())

    with pytest.raises(wisp.Trap) as caught:
        await instance[RELAY].write("line", 1)
    assert isinstance(caught.value.__cause__, KeyError)
    assert instance.closed


async def test_an_answer_of_the_wrong_type_is_a_trap_that_says_so() -> None:
    class Answers(Log):
        def write(self, line: str, level: int) -> Any:
            return line

    instance = await relay(Answers())

    with pytest.raises(wisp.Trap) as caught:
        await instance[RELAY].write("line", 1)
    assert str(caught.value.__cause__) == "the result of write: expected u32, found str"


async def test_a_plain_method_runs_with_the_context_of_the_caller() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    class Answers(Log):
        def write(self, line: str, level: int) -> int:
            return level if variable.get("") == "set" else 0

    instance = await relay(Answers())
    variable.set("set")

    assert await instance[RELAY].write("line", 5) == 5


def test_a_plain_function_answers_a_blocking_call(blocking: Any) -> None:
    assert blocking[RELAY].repeat(10) == sum(range(1, 11))


def test_a_coroutine_cannot_answer_a_blocking_call() -> None:
    class Answers(Log):
        async def write(self, line: str, level: int) -> int:  # type: ignore[override]
            return level

    with wisp.sync.Host() as host:
        loaded = host.load(values(), imports={LOG: Answers()})
        with loaded.instantiate(output=False) as instance, pytest.raises(wisp.Trap) as caught:
            instance[RELAY].write("line", 1)

    assert "make it a plain function" in str(caught.value.__cause__)


async def test_an_import_that_nobody_answers_is_said_before_anything_runs() -> None:
    async with wisp.Host() as host:
        with pytest.raises(
            wisp.LinkError, match=r"imports `test:values/log@0\.1\.0`, and nothing answers"
        ) as caught:
            await host.load(values())

    assert caught.value.interface == LOG
    assert caught.value.hint


@pytest.mark.parametrize(
    ("imports", "message"),
    [
        ({LOG: object()}, "has no function for `write`"),
        ({LOG: Log(), "test:values/logs": Log()}, "does not import `test:values/logs`"),
    ],
)
async def test_what_does_not_fit_the_imports_is_refused(imports: dict[str, object], message: str) -> None:
    async with wisp.Host() as host:
        with pytest.raises(wisp.LinkError, match=message):
            await host.load(values(), imports=imports)


async def test_an_interface_that_is_not_exported_is_refused_with_the_nearest() -> None:
    instance = await relay(Log())

    with pytest.raises(wisp.LinkError, match="does not export") as caught:
        instance["test:values/ecko@0.1.0"]
    assert caught.value.hint == "did you mean `test:values/echo@0.1.0`?"
    with pytest.raises(AttributeError, match="has no `txt`; did you mean `text`"):
        _ = instance[ECHO].txt
