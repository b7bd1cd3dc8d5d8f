"""Core modules: numbers, and bytes in their memory."""

from __future__ import annotations

import pytest

import wisp
import wisp.sync
from tests.seam import wasm

MEMORY = b"".join(
    [
        wasm.MODULE,
        wasm.section(1, b"\x01\x60\x02\x7f\x7f\x01\x7f"),
        wasm.section(3, b"\x01\x00"),
        wasm.section(5, b"\x01\x00\x01"),
        wasm.section(7, b"\x02" + wasm.name("memory") + b"\x02\x00" + wasm.name("divide") + b"\x00\x00"),
        wasm.section(10, b"\x01\x07\x00\x20\x00\x20\x01\x6d\x0b"),
    ]
)
"""A module with one page of memory and `divide: (i32, i32) -> i32`."""


def test_a_function_takes_and_gives_numbers() -> None:
    with wisp.sync.Host() as host, host.load_module(wasm.ADD).instantiate() as adder:
        assert adder["add"](40, 2) == 42
        assert adder["add"](0xFFFF_FFFF, 0) == -1


async def test_a_function_can_be_awaited() -> None:
    async with wisp.Host() as host:
        module = await host.load_module(wasm.ADD)
        async with module.instantiate() as adder:
            assert module.functions == ("add",)
            assert await adder["add"](1, 2) == 3


def test_bytes_are_written_to_and_read_from_the_memory() -> None:
    with wisp.sync.Host() as host, host.load_module(MEMORY).instantiate() as instance:
        instance.memory.write(100, b"hello")

        assert instance.memory.read(99, 7) == b"\0hello\0"
        assert len(instance.memory) == 65536
        with pytest.raises(IndexError, match="2 bytes at 65535 are not inside the memory of 65536 bytes"):
            instance.memory.read(65535, 2)
        with pytest.raises(IndexError):
            instance.memory.write(65535, b"ab")


def test_a_trap_ends_the_instance() -> None:
    with wisp.sync.Host() as host, host.load_module(MEMORY).instantiate() as instance:
        with pytest.raises(wisp.Trap, match=r"divide: .*divide by zero"):
            instance["divide"](1, 0)
        assert instance.closed
        with pytest.raises(wisp.InstanceClosed):
            instance["divide"](1, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((1,), "add: 1 arguments were given, it takes 2"),
        ((1, "x"), "add: argument 1: expected i32, found x"),
        ((1, 2**32), "add: argument 1: 4294967296 does not fit i32"),
    ],
)
def test_what_is_no_number_of_its_type_is_refused(given: tuple[int, ...], message: str) -> None:
    with wisp.sync.Host() as host, host.load_module(wasm.ADD).instantiate() as adder:
        with pytest.raises(wisp.TypeMismatch) as caught:
            adder["add"](*given)
        assert str(caught.value) == message


def test_a_function_that_is_not_there_is_refused_with_the_nearest() -> None:
    with wisp.sync.Host() as host, host.load_module(wasm.ADD).instantiate() as adder:
        with pytest.raises(wisp.LinkError) as caught:
            adder["ad"]
        assert caught.value.hint == "did you mean `add`?"
        with pytest.raises(wisp.LinkError, match="no memory"):
            _ = adder.memory


def test_what_is_no_module_is_refused() -> None:
    with wisp.sync.Host() as host, pytest.raises(wisp.ComponentError):
        host.load_module(b"nothing")
