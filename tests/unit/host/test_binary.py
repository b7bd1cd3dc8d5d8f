from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import wisp
from wisp.errors import HostError
from wisp.host import binary

if TYPE_CHECKING:
    from pathlib import Path


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_the_environment_may_name_the_program(tmp_path: Path) -> None:
    chosen = program(tmp_path / "mine", "true")

    assert binary.find({"WISP_WORKER": str(chosen)}) == chosen


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_name_in_the_environment_that_is_no_program_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(HostError, match="WISP_WORKER names"):
        binary.find({"WISP_WORKER": str(tmp_path / name)})


def test_the_program_beside_the_interpreter_is_found_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = program(tmp_path / "wisp-worker", "true")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))

    assert binary.find({"PATH": ""}) == beside


def test_a_program_that_is_not_installed_is_an_error_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))

    with pytest.raises(HostError, match="wisp-worker is not installed") as caught:
        binary.find({"PATH": str(tmp_path)})

    assert caught.value.hint == f"install it with: pip install wisp-worker=={wisp.__version__}"


async def test_a_program_of_our_version_is_accepted(tmp_path: Path) -> None:
    await binary.check(program(tmp_path / "w", f"echo wisp-worker {wisp.__version__}"))


async def test_a_program_of_another_version_is_refused_with_both_versions(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=rf"has version 9\.9\.9, but this is wisp {wisp.__version__}"):
        await binary.check(program(tmp_path / "w", "echo wisp-worker 9.9.9"))


@pytest.mark.parametrize("script", ["exit 1", "true"])
async def test_a_program_that_does_not_tell_its_version_is_refused(tmp_path: Path, script: str) -> None:
    with pytest.raises(HostError, match="did not answer"):
        await binary.check(program(tmp_path / "w", script))


async def test_a_file_that_does_not_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("text", encoding="utf-8")

    with pytest.raises(HostError, match="cannot run"):
        await binary.check(tmp_path / "w")


def test_a_worker_gets_only_those_variables_that_it_needs() -> None:
    ours = {"PATH": "/bin", "API_TOKEN": "secret", "SSL_CERT_FILE": "/ca.pem", "RUST_BACKTRACE": "1"}

    assert binary.environment(ours) == {
        "MIMALLOC_ALLOW_THP": "0",
        "SSL_CERT_FILE": "/ca.pem",
        "RUST_BACKTRACE": "1",
    }
