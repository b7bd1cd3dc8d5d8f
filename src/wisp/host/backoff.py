"""How long a slot waits before it starts its worker again.

The first restart is at once, so that one crash costs milliseconds. Each further crash doubles the wait, up to ten
seconds, so that a worker that dies of its own app does not take a core. A minute of health forgets the past.
"""

from __future__ import annotations

FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0
HEALTHY_AFTER = 60.0


class Backoff:
    """The delays between the restarts of one slot."""

    def __init__(self) -> None:
        self._crashes = 0

    def after(self, lived: float) -> float:
        """Return the seconds to wait after a worker that was ready for `lived` seconds has died."""
        if lived >= HEALTHY_AFTER:
            self._crashes = 0
        exponent = self._crashes - 1
        self._crashes += 1
        return 0.0 if exponent < 0 else min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(exponent, 16))
