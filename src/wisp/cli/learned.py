"""What `wisp up --learn` says at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from wisp.manifest.grants import Grants
from wisp.manifest.learn import Denied, learn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wisp.cli.prepared import PreparedApp

_HEAD = """\
# What this run of {name} asked for and did not get. Nothing was granted by it: put these tables in the place of those in
# wisp.toml, fill in or leave out what stands as "...", and run it again until nothing is missing.
"""
_NOTHING = "# This run of {name} was refused nothing.\n"


def learned(app: PreparedApp, denials: Sequence[Mapping[str, object]]) -> str:
    """Write the tables of grants that a run has shown to be needed."""
    run = cast("Mapping[str, Any]", app.locked["components"])
    granted = {name: Grants.of_locked(component["grants"]) for name, component in run.items()}
    tables = learn(granted, map(Denied.from_json, denials))
    head = (_HEAD if tables else _NOTHING).format(name=app.name)
    return "\n".join(filter(None, [head + "".join(_unseen(app, run)), tables]))


def _unseen(app: PreparedApp, run: Mapping[str, Any]) -> Iterator[str]:
    """Name the components that are no longer there as such."""
    fused = {link.provider: link.component for link in app.links if link.mode == "fused"}
    for component, caller in fused.items():
        if component not in run:
            yield (
                f"# {component} is fused into {caller}, and what it is denied in there is not seen here;"
                ' `mode = "bridged"` in its link shows it.\n'
            )
