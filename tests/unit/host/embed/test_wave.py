"""Values are read from WAVE and from JSON alike."""

from __future__ import annotations

import pytest

from wisp.errors import TypeMismatch
from wisp.host.embed.wave import Case, Character, Flags, Number, Tuple, parse


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1", Number("1")),
        ("-2.5e3", Number("-2.5e3")),
        ("-inf", Number("-inf")),
        ("nan", Case("nan", None)),
        ("true", Case("true", None)),
        ('"a\\"b\\n\\u{1F600}"', 'a"b\n\U0001f600'),
        ('"\\u00e9\\ud83d\\ude00"', "\u00e9\U0001f600"),
        ("'x'", Character("x")),
        ("'\\''", Character("'")),
        ("[1, 2,]", [Number("1"), Number("2")]),
        ("(1, x)", Tuple((Number("1"), Case("x", None)))),
        ("{id: 1, other-name: [ ]}", {"id": Number("1"), "other-name": []}),
        ('{"id": null}', {"id": Case("null", None)}),
        ("{read, run-it}", Flags(("read", "run-it"))),
        ("{}", Flags(())),
        ("some(ok(3))", Case("some", Case("ok", Number("3")))),
        ("%true", Case("true", None)),
        (" // before\n 1 // after", Number("1")),
    ],
)
def test_text_is_read(text: str, tree: object) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a value at column 1, found the end"),
        ("1 2", "expected nothing more at column 3, found 2"),
        ('"open', "expected a string that ends at column 1"),
        ("[1 2]", "expected `,` at column 4"),
        ("{a: 1, b}", "expected fields or flags, not both"),
        ("some(1, 2)", "expected one value in the parentheses"),
        ("'ab'", "expected one character between quotes"),
        ("{1: 2}", "expected a name at column 2"),
    ],
)
def test_what_is_no_value_is_refused_with_its_column(text: str, message: str) -> None:
    with pytest.raises(TypeMismatch) as caught:
        parse(text)

    assert message in str(caught.value)
