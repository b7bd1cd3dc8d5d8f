"""Rows, their bars and the tables that are made of them."""

from harness.section import Row, Table, of_rows


def test_the_median_is_what_meets_a_bar() -> None:
    floor = Row("ratio", (1.0, 3.1, 9.0), "x", 3.0, is_floor=True)
    ceiling = Row("time", (1.0, 3.1, 9.0), "ms", 3.0)

    assert (floor.value, floor.is_met, floor.met) == (3.1, True, "yes")
    assert (ceiling.value, ceiling.is_met, ceiling.met) == (3.1, False, "**no**")


def test_a_bar_that_is_reached_exactly_is_met_on_both_sides() -> None:
    assert Row("ratio", (3.0,), "x", 3.0, is_floor=True).is_met
    assert Row("time", (3.0,), "ms", 3.0).is_met


def test_what_could_not_be_measured_meets_no_bar_and_tells_why() -> None:
    void = Row("ratio", (), "x", 3.0, is_floor=True, void="void: 3 of 9 | failed\nmore")

    assert void.is_met is False
    assert void.told == "void: 3 of 9 / failed"


def test_a_row_that_is_void_has_no_value_even_where_some_rounds_were_good() -> None:
    assert Row("ratio", (5.0, 6.0), "x", 3.0, is_floor=True, void="it ended").is_met is False


def test_a_row_without_a_bar_is_neither_met_nor_missed() -> None:
    free = Row("time", (2.0,), "ms")

    assert (free.is_met, free.met, free.told_bar) == (None, "-", "-")


def test_figures_are_told_with_the_least_the_greatest_and_the_unit() -> None:
    assert Row("time", (2.0, 1.0, 4.25), "ms").told == "2.00 (1.00 - 4.25) ms"
    assert Row("rate", (12345.6, 10.0, 20000.0), "").told == "12,346 (10 - 20,000)"
    assert Row("one", (12.34,), "MB").told == "12.3 MB"


def test_rows_make_a_table_with_their_bars() -> None:
    section = of_rows([Row("`wisp up`", (90.0,), "ms", 200)], "start", ["wisp up APP"])

    assert section.tables == (
        Table(("start", "measured", "bar", "met"), (("`wisp up`", "90.0 ms", "at most 200 ms", "yes"),)),
    )
    assert section.commands == ("wisp up APP",)
