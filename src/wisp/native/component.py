"""What a WebAssembly file says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, cast

Kind: TypeAlias = Literal["component", "module", "unknown"]
Profile: TypeAlias = Literal["sync", "async"]
Producers: TypeAlias = Mapping[str, tuple[str, ...]]
"""Who made it: `language`, `processed-by`, `sdk`, each with names (and versions)."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one instance takes from the pool."""

    core_instances: int
    memories: int
    tables: int
    table_elements: int
    """Elements of its largest table."""


@dataclass(frozen=True, slots=True)
class ComponentInfo:
    """A WebAssembly file, seen from outside."""

    kind: Kind
    http: Literal["0.2", "0.3"] | None
    """The version of `wasi:http` whose handler it exports."""

    command: Literal["0.2", "0.3", "preview1"] | None
    """The version of WASI whose `run` it exports."""

    profile: Profile
    """The engine profile that runs it: `async` as soon as anything of WASI 0.3 is involved."""

    imports: tuple[str, ...]
    exports: tuple[str, ...]
    producers: Producers
    resources: Resources

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> ComponentInfo:
        """Read what the core, or a record in the cache, says.

        Raises:
            KeyError, TypeError, ValueError: it is not that.

        """
        data = dict(value)
        resources = cast("Mapping[str, int]", data.pop("resources"))
        producers = cast("Mapping[str, list[str]]", data.pop("producers"))
        imports = cast("list[str]", data.pop("imports"))
        exports = cast("list[str]", data.pop("exports"))
        return cls(
            **data,  # type: ignore[arg-type]
            imports=tuple(imports),
            exports=tuple(exports),
            producers={field: tuple(names) for field, names in producers.items()},
            resources=Resources(**resources),
        )

    def to_json(self) -> dict[str, object]:
        """Return what `from_json` reads."""
        return asdict(self)
