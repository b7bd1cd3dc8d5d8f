"""Whether two components mean the same by an interface, and if not, where they differ.

The core decides, as it does when it links them. It stops at the first thing that it does not like and tells it in a linker's words;
so what differs is looked for here again, in their WIT, and told as `wisp wit diff` would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp import native
from wisp.errors import ComponentError, WitError
from wisp.wit import diff, read
from wisp.wit.versions import name_on_track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wisp.wit.model import Wit


def disagreement(consumer: tuple[str, bytes], interface: str, provider: tuple[str, bytes]) -> str | None:
    """Say why a component that imports an interface does not link to one that exports it; None when it does.

    Args:
        consumer: The name and the bytes of the one that imports it.
        interface: Its full name, as it is imported.
        provider: The name and the bytes of the one that exports it.

    """
    try:
        native.check_link(consumer, interface, provider)
    except ComponentError as error:
        lines = list(_differences(consumer, interface, provider))
        if not lines:
            return error.message
        head = f"{provider[0]} does not export {interface} as {consumer[0]} imports it:"
        return "\n".join([head, *(f"  {line}" for line in dict.fromkeys(lines))])
    return None


def _differences(consumer: tuple[str, bytes], interface: str, provider: tuple[str, bytes]) -> Iterator[str]:
    try:
        wanted, offered = read.decode(consumer[1]), read.decode(provider[1])
    except WitError:
        return
    export = _export(offered, interface)
    if export is None or interface not in wanted.interfaces:
        return
    names = consumer[0], provider[0]
    for change in diff.compare_interfaces(wanted, offered, [(interface, export)], names=names):
        if "importers" in change.breaks:
            place = "" if change.path == interface.partition("@")[0] else f"{change.path}: "
            yield f"{place}{change.subject}: {change.text}"


def _export(offered: Wit, interface: str) -> str | None:
    """Find what stands for an interface: the same one, or another version on its track."""
    exports = offered.world.exports if offered.world is not None else {}
    if interface in exports:
        return interface
    track = name_on_track(interface)
    return next((name for name in exports if ":" in name and name_on_track(name) == track), None)
