"""What holds for all tests."""

import os
import signal

from hypothesis import settings

# How long an example takes says how busy the machine is: speed is measured in benches, not asserted in tests. In continuous integration the examples
# are the same each time, so that a change is not refused for what it did not touch; new ones are looked for wherever else the tests run.
settings.register_profile("wisp", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("wisp")


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start.

    Who starts the tests in the background, as servers for continuous integration do, may have them ignore it, and a program
    inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
