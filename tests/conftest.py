"""What holds for all tests."""

import signal

from hypothesis import settings
from hypothesis.database import InMemoryExampleDatabase

# How long an example takes says how busy the machine is: speed is measured in benches, not asserted in tests.
# With no database at all, settings of a test with a thousand parameters become a chain that is too long to follow.
settings.register_profile("wisp", deadline=None, database=InMemoryExampleDatabase())
settings.load_profile("wisp")


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start.

    Who starts the tests in the background, as servers for continuous integration do, may have them ignore it, and a program
    inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
