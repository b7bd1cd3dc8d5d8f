"""What holds for all tests."""

import os
import signal

from hypothesis import settings

# How long an example takes says how busy the machine is: speed is measured in benches, not asserted in tests. Hypothesis has a profile of its own for
# continuous integration, which says so too, and takes the same examples each time.
if "CI" not in os.environ:
    settings.register_profile("wisp", deadline=None, database=None)
    settings.load_profile("wisp")


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start.

    Who starts the tests in the background, as servers for continuous integration do, may have them ignore it, and a program
    inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
