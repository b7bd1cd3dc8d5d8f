"""Single calls as a table: ours beside each peer, each in the unit in which it is read best."""

from harness import call_table
from harness.call_rows import COLUMNS, OURS, ROWS, CallRow
from harness.call_table import Measured

ASK = ROWS[0].ours
BARE, VAL, PACKAGE = COLUMNS


def test_a_call_is_told_beside_each_peer_with_how_often_ours_goes_into_theirs() -> None:
    row = CallRow("a call", 3000, ASK)
    measured = Measured(row, {OURS: [1200.0, 1000.0, 1100.0], BARE: [220.0], PACKAGE: [11e6]})

    section = call_table.section([measured], ("wisp up calls",))

    assert section.tables[0].lines == (
        (
            "a call",
            "1.1 µs (1 - 1.2)",
            "at most 3 µs",
            "yes",
            "220 ns (220 - 220), 0.2 x",
            "-",
            "11 ms (11 - 11), 10,000 x",
        ),
    )
    assert section.rows[0].is_met
    assert section.commands == ("wisp up calls",)


def test_a_call_that_takes_longer_than_its_bar_misses_it() -> None:
    measured = Measured(CallRow("a call", 10, ASK), {OURS: [9.0, 11.0, 12.0]})

    section = call_table.section([measured], ())

    assert section.rows[0].is_met is False
    assert section.tables[0].lines[0][2:4] == ("at most 10 ns", "**no**")


def test_every_call_that_is_measured_has_a_title_of_its_own() -> None:
    titles = [row.title for row in ROWS]

    assert len(set(titles)) == len(titles)
