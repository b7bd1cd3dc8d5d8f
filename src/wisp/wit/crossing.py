"""What of an interface cannot leave the host that it is on.

A call of another host copies values. A resource lives in one instance, and a handle of it means nothing elsewhere; a stream can be
followed from host to host only where what it carries has a fixed form. The core refuses the same when it loads a link; here it is found
when an app is built, where it can be said with the place in the manifest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wisp.errors import WitError
from wisp.wit import read
from wisp.wit.model import Compound, Definition, Interface, Primitive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wisp.wit.model import Type, Wit

_CARRIED: Final = frozenset(
    {"bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string"}
)
"""What a stream or a future may carry."""

_NEVER: Final = frozenset({"map", "fixed-length-list"})


def stuck(wasm: bytes, interface: str) -> str | None:
    """Say which function of an interface cannot be called on another host, and why; None when all can.

    Args:
        wasm: A component that imports the interface, or exports it.
        interface: Its full name, as the component has it.

    """
    try:
        wit = read.decode(wasm)
    except WitError:
        return None
    found = wit.interfaces.get(interface)
    if not isinstance(found, Interface):
        return None
    for function in found.functions.values():
        types = [*(parameter.type for parameter in function.parameters), function.result]
        for part in (reason for given in types for reason in _stuck(wit, given)):
            return f"{function.name} passes {part}"
    return None


def _stuck(wit: Wit, given: Type | None) -> Iterator[str]:
    if given is None:
        return
    resolved = wit.resolved(given)
    if isinstance(resolved, Definition):
        if resolved.kind == "resource":
            yield f"the resource `{resolved.name}`, which lives in one instance; only a fused link passes resources"
        for member in resolved.members:
            yield from _stuck(wit, member.type)
    elif isinstance(resolved, Compound):
        yield from _in_compound(wit, resolved)
    elif isinstance(resolved, Primitive) and resolved.name == "error-context":
        yield "an `error-context`"


def _in_compound(wit: Wit, given: Compound) -> Iterator[str]:
    if given.kind in _NEVER:
        yield f"a `{given}`"
    elif given.kind in ("stream", "future"):
        [carried] = given.arguments or (None,)
        resolved = wit.resolved(carried) if carried is not None else None
        if not (isinstance(resolved, Primitive) and resolved.name in _CARRIED):
            yield f"a `{given}`; streams and futures of numbers, text and bytes can be passed"
    else:
        for argument in given.arguments:
            yield from _stuck(wit, argument)
