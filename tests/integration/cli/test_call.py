"""`wisp call` calls a function of a component from the shell."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guests.build import component
from tests.integration.cli.program import WISP, environment, wisp
from tests.seam import wasm
from wisp import native

ECHO = "test:values/echo"

ROUND_TRIPS = {
    "boolean": "true",
    "unsigned8": "255",
    "signed64": "-9223372036854775808",
    "float64": "1.5",
    "character": "'\u00e9'",
    "text": '"a \\"quoted\\" word"',
    "bytes": "[0, 255]",
    "numbers": "[-1, 2]",
    "packets": '[{id: "a", payload: "b", encryption-level: 3}]',
    "pair": '(1, "x")',
    "a-shape": "rectangle((1.5, 2.0))",
    "a-colour": "dark-blue",
    "some-rights": "{read, run-it}",
    "maybe": "none",
    "nested": "some(none)",
    "outcomes": '[ok(1), err("no")]',
}


def call(*words: str) -> tuple[int, str, str]:
    done = wisp("call", *words)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def guest() -> str:
    return str(component("values"))


@pytest.mark.parametrize("function", ROUND_TRIPS)
def test_what_is_written_in_wave_comes_back_in_wave(guest: str, function: str) -> None:
    value = ROUND_TRIPS[function]

    assert call(guest, f"{ECHO}.{function}", value) == (0, f"{value}\n", "")


@pytest.mark.parametrize(
    ("function", "value"),
    [
        ("packets", '[{"id": "a", "payload": "b", "encryption-level": 3}]'),
        ("a-shape", '{"circle": 1.5}'),
        ("a-shape", '"dot"'),
        ("a-colour", '"red"'),
        ("some-rights", '["write"]'),
        ("maybe", "null"),
        ("maybe", '"there"'),
        ("outcomes", '[{"ok": 1}, {"err": "no"}]'),
    ],
)
def test_what_is_written_in_json_comes_back_in_json(guest: str, function: str, value: str) -> None:
    assert call(guest, f"{ECHO}@0.1.0.{function}", value, "--json") == (0, f"{value}\n", "")


def test_a_function_without_result_prints_nothing(guest: str) -> None:
    assert call(guest, f"{ECHO}.nothing") == (0, "", "")


def test_a_function_of_the_world_needs_no_interface(tmp_path: Path) -> None:
    wit = tmp_path / "add.wit"
    wit.write_text(wasm.ADD_WIT)
    adder = tmp_path / "adder.wasm"
    adder.write_bytes(native.encode(wasm.ADD, wit=wit, world="calculator"))

    assert call(str(adder), "add", "40", "2") == (0, "42\n", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((f"{ECHO}.checked", "true"), 'error: checked answered: "it was asked to fail"\n'),
        ((f"{ECHO}.txt", '"x"'), "has no function `txt`\n  hint: did you mean `text`?"),
        (("test:values/ecko.text", '"x"'), "does not export `test:values/ecko`\n  hint: did you mean"),
        ((f"{ECHO}.text",), "error: text takes value; 0 were given"),
        ((f"{ECHO}.text", "hello"), "error: text: value: expected string, found `hello`"),
        ((f"{ECHO}.text", '"open'), "expected a string that ends at column 1"),
        ((f"{ECHO}.unsigned8", "256"), "256 does not fit u8, which is 0 to 255"),
        ((f"{ECHO}.packets", "[{id: 1}]"), "error: packets: value: expected string, found 1"),
        ((f"{ECHO}.packets", '[{name: "x"}]'), "record packet has no field `name`; it has id, payload"),
        ((f"{ECHO}.a-shape", "square"), "variant shape has no case `square`; it has circle, rectangle, dot"),
        (("test:values/relay.write", '"x"', "1"), "imports `test:values/log@0.1.0`, and nothing answers it"),
        (("test:values/behave.trap", '"why"'), "about to trap: why"),
    ],
)
def test_what_goes_wrong_is_said_without_a_traceback(
    guest: str, words: tuple[str, ...], message: str
) -> None:
    code, printed, said = call(guest, *words)

    assert (code, printed) == (1, "")
    assert message in said
    assert "Traceback" not in said


def test_a_wrong_limit_is_wrong_usage(guest: str) -> None:
    code, _, said = call(guest, f"{ECHO}.nothing", "--memory", "64mb")

    assert code == 2
    assert 'did you mean "64MB"' in said or "64MB" in said


def test_a_call_that_takes_too_long_is_ended(guest: str) -> None:
    code, _, said = call(guest, "test:values/behave.spin", "--timeout", "0.05")

    assert code == 1
    assert "spin: it took longer than 0.05 s" in said


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_ends_a_call_at_once() -> None:
    process = subprocess.Popen(
        [WISP, "call", "--timeout", "300", component("values"), "test:values/behave.spin"],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        # Python catches the signal from its start on, and not any more once the guest runs.
        for caught in (True, False):
            while _catches(process.pid, signal.SIGINT) is not caught:
                assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()

    assert (process.returncode, said) == (-signal.SIGINT, "")


def _catches(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
