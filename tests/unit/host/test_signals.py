from __future__ import annotations

import asyncio
import os
import signal

import pytest

from wisp.host.signals import Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_asks_for_a_drain_and_the_second_for_an_end_at_once(number: int) -> None:
    with Signals() as signals:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(signals.stop.wait(), 5)
        assert not signals.at_once.is_set()

        os.kill(os.getpid(), number)
        await asyncio.wait_for(signals.at_once.wait(), 5)


async def test_a_hangup_asks_for_a_reload_of_everything_once() -> None:
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)

        assert await asyncio.wait_for(signals.reload_wanted(), 5)
        assert not signals.reload.is_set()


async def test_a_change_asks_for_a_reload_of_what_has_changed() -> None:
    with Signals() as signals:
        signals.reload.set()

        assert not await signals.reload_wanted()
