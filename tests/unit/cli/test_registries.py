"""Telling how far a transfer is."""

from __future__ import annotations

from wisp.cli.registries import Transferred


def test_a_transfer_tells_how_much_of_all_there_is() -> None:
    said: list[str] = []
    progress = Transferred(said.append, 0.0)

    progress.expected(2 * 2**20)
    progress.moved(2**20)
    progress.expected(2**20)
    progress.moved(2 * 2**20)
    progress.moved(-(2**20))

    assert said == ["1.0 MiB of 2.0 MiB", "3.0 MiB of 3.0 MiB", "2.0 MiB of 3.0 MiB"]


def test_not_every_piece_is_told() -> None:
    said: list[str] = []
    progress = Transferred(said.append, 3600.0)

    progress.moved(1)

    assert said == []
