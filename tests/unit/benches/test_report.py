"""From what was measured to the document and the JSON."""

import json
from pathlib import Path

from harness import groups, processors, steady
from harness.groups import Ratio
from harness.report import BEGIN, END, Report, joined
from harness.section import Row, Section, Table, of_rows

from tests.unit.benches.runs import sample, series

RATIO = Ratio("fresh", "peer", "ours", 3.0)


def report(**found: Section | str) -> Report:
    return Report({"processor": "2 x of a kind"}, "in turn", found)


def test_a_ratio_is_taken_in_each_round_between_those_that_took_turns() -> None:
    found = {
        "peer": series("peer", sample(100), sample(50), sample(200)),
        "ours": series("ours", sample(400), sample(300), sample(500)),
    }

    (row,) = groups.section(found, (RATIO,)).rows

    assert row.values == (4.0, 6.0, 2.5)
    assert row.is_met


def test_a_server_that_answers_wrongly_once_voids_its_ratio_and_is_told_with_its_error() -> None:
    found = {
        "peer": series("peer", sample(100), void="void: 3 of 100 requests failed"),
        "ours": series("ours", sample(400), sample(300)),
    }

    whole = report(fresh=groups.section(found, (RATIO,)))
    text = whole.markdown()

    assert whole.is_void
    assert "| fresh | void: 3 of 100 requests failed | 350 (300 - 400) |" in text
    assert "| **no** |" in text
    assert "| peer | - | - | - | - | - | - | void: 3 of 100 requests failed | 0.5 - 0.5 |" in text


def test_a_part_that_could_not_be_measured_is_told_with_its_error_and_voids_the_run() -> None:
    whole = report(steady="nobody listens", fresh=of_rows([Row("start", (9.0,), "ms", 10)], "start"))

    assert whole.is_void
    assert "- steady could not be measured: nobody listens" in whole.markdown()
    assert "| start | 9.00 ms | at most 10 ms | yes |" in whole.markdown()
    assert whole.document()["parts"]["steady"] == {"void": "nobody listens"}  # type: ignore[index,call-overload]


def test_a_missed_bar_voids_nothing_and_is_named() -> None:
    rows = [Row("start", (12.0,), "ms", 10), Row("stop", (1.0,), "ms", 10), Row("rest", (1.0,), "ms")]

    whole = report(starts=of_rows(rows, "start"))

    assert not whole.is_void
    assert whole.bars() == "1 of 2 bars are met; not: start (12.0 ms, at most 10 ms)"


def test_tables_of_one_head_are_told_as_one() -> None:
    head, other = ("a", "b"), ("c",)
    tables = [Table(head, (("1", "2"),)), Table(other, (("3",),)), Table(head, (("4", "5"),))]

    assert joined(tables) == [Table(head, (("1", "2"), ("4", "5"))), Table(other, (("3",),))]


def test_the_latency_at_a_fixed_rate_is_compared_with_that_of_the_peer() -> None:
    found = {
        "wasmtime": series("wasmtime", sample(50, p99_ms=8.0), sample(50, p99_ms=10.0)),
        "wisp": series("wisp", sample(50, p99_ms=2.0), sample(50, p99_ms=5.0)),
    }

    (row,) = steady.section(found, 50).rows

    assert row.values == (0.25, 0.5)
    assert row.is_met


def test_what_a_second_worker_costs_is_the_same_in_both_directions() -> None:
    one, two = Row("1 worker", (6.0, 5.0, 7.0), "x"), Row("2 workers", (6.9, 6.9, 6.9), "x")

    dearer, cheaper = processors.difference(one, two), processors.difference(two, one)

    assert dearer.values == cheaper.values == (6.9 / 6.0,)
    assert dearer.is_met is False
    assert processors.difference(one, Row("2 workers", (6.5,), "x")).is_met
    assert processors.difference(one, Row("2 workers", (), "x", void="it ended")).is_met is False


def test_the_results_replace_those_before_and_leave_what_people_wrote(tmp_path: Path) -> None:
    document, results = tmp_path / "benchmarks.md", tmp_path / "results" / "latest.json"
    document.write_text(f"before\n\n{BEGIN}\n\nold\n\n{END}\n\nafter\n", encoding="utf-8")
    found = {"peer": series("peer", sample(100)), "ours": series("ours", sample(400))}
    whole = report(peers=groups.section(found, (RATIO,)))

    whole.write(document, results)
    whole.write(document, results)

    text = document.read_text(encoding="utf-8")
    assert text.startswith(f"before\n\n{BEGIN}\n\n- processor: 2 x of a kind\n- method: in turn\n\n")
    assert text.endswith(f"peer --serve\nours --serve\n```\n\n{END}\n\nafter\n")
    assert "old" not in text
    assert "![Requests per second of all servers](benchmarks/throughput.svg)" in text
    assert (
        "Memory by number of deployed components: not drawn, because it was not measured in this run." in text
    )
    assert (tmp_path / "benchmarks" / "throughput.svg").is_file()


def test_lists_of_numbers_are_on_one_line_of_the_json(tmp_path: Path) -> None:
    whole = report(start=of_rows([Row("a [1,\n2]", (1.0, 2.0, 3.0), "ms")], "start"))

    whole.save(tmp_path / "run.json")

    text = (tmp_path / "run.json").read_text(encoding="utf-8")
    assert '"values": [ 1.0, 2.0, 3.0 ]' in text
    assert json.loads(text) == whole.document()
