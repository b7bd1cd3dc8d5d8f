"""`python -m wisp` is `wisp`, for where the command is not on the PATH."""

from __future__ import annotations

import sys

from wisp.cli.main import main

sys.exit(main())
