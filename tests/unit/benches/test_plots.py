"""Plots are drawn from given data, the same whenever they are drawn."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from harness import plots
from harness.series import documents

from tests.unit.benches.runs import sample, series

SVG = "{http://www.w3.org/2000/svg}"


def parts() -> dict[str, Any]:
    peers = {
        "slow": series("wasmtime", sample(100), sample(120), sample(80)),
        "fast": series("wisp", sample(400), sample(400), sample(400)),
        "broken": series("jco <serve>", void="it ended with code 1"),
    }
    steady = {"a": series("wisp", sample(50, p99_ms=10.0)), "b": series("other", sample(50, p99_ms=1.0))}
    density = [
        {"count": count, "memory": memory * 10**6, "anonymous": memory * 10**6 / 2}
        for count, memory in ((0, 40), (100, 60), (10_000, 440))
    ]
    return {
        "peers": documents(peers),
        "steady": {"rate": 50, "servers": documents(steady)},
        "density": density,
    }


def read(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314 - it is our own


def texts(text: str) -> list[str]:
    return [element.text or "" for element in read(text).iter(f"{SVG}text")]


def points(text: str) -> list[list[tuple[float, float]]]:
    """Return the points of every line of the chart, without those in its legend."""
    every = [element.attrib["points"].split() for element in read(text).iter(f"{SVG}polyline")]
    lines = [[(float(x), float(y)) for x, y in (point.split(",") for point in line)] for line in every]
    return lines[len(lines) // 2 :]


def test_bars_are_as_long_as_the_medians_and_the_fastest_comes_first() -> None:
    drawn = plots.draw(parts())["throughput"]

    bars = [float(element.attrib["width"]) for element in read(drawn).iter(f"{SVG}rect")]
    told = texts(drawn)

    assert bars[0] == pytest.approx(4 * bars[1], abs=0.2)
    assert bars[2] == 0
    assert [told.index(name) for name in ("wisp", "wasmtime", "jco <serve>")] == sorted(
        told.index(name) for name in ("wisp", "wasmtime", "jco <serve>")
    )
    assert "400" in told
    assert "100" in told


def test_a_server_that_did_not_work_is_in_the_plot_and_says_so() -> None:
    assert "did not work: see the table" in texts(plots.draw(parts())["throughput"])


def test_ten_times_the_latency_lies_one_power_higher() -> None:
    drawn = plots.draw(parts())["latency"]

    slow, fast = points(drawn)
    heights = {fast_y - slow_y for (_, slow_y), (_, fast_y) in zip(slow, fast, strict=True)}
    grid = [
        float(element.attrib["y1"])
        for element in read(drawn).iter(f"{SVG}line")
        if element.get("class") == "grid"
    ]

    assert [round(height, 1) for height in heights] == [pytest.approx(grid[0] - grid[1], abs=0.2)] * len(
        heights
    )
    assert len(slow) == 3, "0, 50 and 99; the axis has no room for 100"
    assert "milliseconds, at 50 requests/s in an open loop" in texts(drawn)


def test_memory_is_drawn_against_the_number_of_components() -> None:
    drawn = plots.draw(parts())["memory"]

    whole, half = points(drawn)
    bottom = next(
        float(element.attrib["y1"])
        for element in read(drawn).iter(f"{SVG}line")
        if element.get("class") == "axis" and element.attrib["y1"] == element.attrib["y2"]
    )

    assert [bottom - y for _, y in whole] == [pytest.approx(2 * (bottom - y), abs=0.2) for _, y in half]
    assert whole[1][0] - whole[0][0] == pytest.approx(whole[2][0] - whole[1][0], abs=0.2), "100 times each"
    assert {"none", "100", "10,000"} <= set(texts(drawn))


@pytest.mark.parametrize(
    ("most", "marks"),
    [
        (440, [0, 100, 200, 300, 400, 500]),
        (44, [0, 10, 20, 30, 40, 50]),
        (1.5, [0, 0.5, 1, 1.5]),
        (9, [0, 2, 4, 6, 8, 10]),
    ],
)
def test_an_axis_has_round_marks_up_to_the_first_that_reaches_its_most(
    most: float, marks: list[float]
) -> None:
    assert plots.marks(most) == pytest.approx(marks)


def test_the_same_data_draws_the_same_file() -> None:
    assert plots.draw(parts()) == plots.draw(parts())


def test_what_was_not_measured_is_not_drawn() -> None:
    assert plots.draw({}) == {}
    assert plots.draw({name: {"void": "it ended"} for name in parts()}) == {}


def test_a_plot_that_cannot_be_drawn_any_more_is_removed(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    plots.write(parts(), document)

    plots.write({"peers": parts()["peers"]}, document)

    assert [path.name for path in plots.folder(document).iterdir()] == ["throughput.svg"]
