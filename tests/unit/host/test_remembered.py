"""What is known of jobs after a start."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.clock import at
from wisp.host.remembered import NAME, Remembered
from wisp.host.schedule import Job

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("app", "job", "* * * * *", "UTC", overlap=False, state=tmp_path / "state")


def remembered(complaints: list[str] | None = None) -> Remembered:
    said: list[str] = [] if complaints is None else complaints
    return Remembered(said.append)


def test_a_job_that_was_never_looked_after_is_not_known(job: Job) -> None:
    assert remembered().last(job) is None


def test_the_next_host_knows_what_this_one_remembers(job: Job) -> None:
    remembered().remember(job, at("2026-01-01 12:00"))

    assert remembered().last(job) == at("2026-01-01 12:00")


def test_a_job_with_another_schedule_is_another_job(job: Job) -> None:
    remembered().remember(job, at("2026-01-01 12:00"))

    assert remembered().last(replace(job, schedule="5 * * * *")) is None
    assert remembered().last(replace(job, overlap=True)) == at("2026-01-01 12:00")


def test_jobs_that_are_gone_are_forgotten_and_those_of_other_apps_are_kept(job: Job) -> None:
    gone, foreign = replace(job, component="gone"), replace(job, app="other")
    first = remembered()
    for each in (job, gone, foreign):
        first.remember(each, at("2026-01-01 12:00"))

    remembered().retain([job])

    assert remembered().last(gone) is None
    assert remembered().last(job) == remembered().last(foreign) == at("2026-01-01 12:00")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "until": {"app job * * * * * UTC": 5}}'])
def test_a_file_that_is_broken_is_complained_of_once_and_written_anew(job: Job, text: str) -> None:
    job.state.mkdir()
    (job.state / NAME).write_text(text)
    complaints: list[str] = []
    found = remembered(complaints)

    assert found.last(job) is None
    found.remember(job, at("2026-01-01 12:00"))

    assert len(complaints) == 1
    assert complaints[0].startswith(f"cannot read {job.state / NAME}: ")
    assert remembered().last(job) == at("2026-01-01 12:00")


def test_a_file_of_a_newer_wisp_is_left_as_it_is(job: Job) -> None:
    job.state.mkdir()
    text = json.dumps({"format": 2, "until": {}})
    (job.state / NAME).write_text(text)
    complaints: list[str] = []
    found = remembered(complaints)

    found.remember(job, at("2026-01-01 12:00"))

    assert found.last(job) == at("2026-01-01 12:00")
    assert (job.state / NAME).read_text() == text
    assert "its format is 2, and this wisp knows 1" in complaints[0]


def test_a_folder_that_cannot_be_made_is_complained_of_once(job: Job) -> None:
    job.state.write_text("a file")
    complaints: list[str] = []
    found = remembered(complaints)

    found.remember(job, at("2026-01-01 12:00"))
    found.remember(job, at("2026-01-01 12:01"))

    assert len(complaints) == 1
    assert found.last(job) == at("2026-01-01 12:01")


def test_nothing_but_the_file_is_left_behind(job: Job) -> None:
    remembered().remember(job, at("2026-01-01 12:00"))

    assert [path.name for path in job.state.iterdir()] == [NAME]
