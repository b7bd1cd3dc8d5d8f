"""The smallest WebAssembly files, written by hand."""

from __future__ import annotations

COMPONENT = b"\0asm\x0d\0\1\0"
"""A component without anything in it."""

MODULE = b"\0asm\1\0\0\0"
"""A core module without anything in it."""


def section(number: int, content: bytes) -> bytes:
    """Write a section that is shorter than 128 bytes."""
    return bytes([number, len(content)]) + content


def name(text: str) -> bytes:
    """Write a name."""
    return bytes([len(text)]) + text.encode()


ADD = b"".join(
    [
        MODULE,
        section(1, b"\x01\x60\x02\x7f\x7f\x01\x7f"),
        section(3, b"\x01\x00"),
        section(7, b"\x01" + name("add") + b"\x00\x00"),
        section(10, b"\x01\x07\x00\x20\x00\x20\x01\x6a\x0b"),
    ]
)
"""A core module that exports `add: (i32, i32) -> i32`."""

ADD_WIT = "package test:add;\nworld calculator { export add: func(a: u32, b: u32) -> u32; }\n"


def program(code: int) -> bytes:
    """Write a preview-1 program that ends with an exit code."""
    return b"".join(
        [
            MODULE,
            section(1, b"\x02\x60\x00\x00\x60\x01\x7f\x00"),
            section(2, b"\x01" + name("wasi_snapshot_preview1") + name("proc_exit") + b"\x00\x01"),
            section(3, b"\x01\x00"),
            section(5, b"\x01\x00\x01"),
            section(7, b"\x02" + name("memory") + b"\x02\x00" + name("_start") + b"\x00\x01"),
            section(10, b"\x01\x06\x00\x41" + bytes([code]) + b"\x10\x00\x0b"),
        ]
    )
