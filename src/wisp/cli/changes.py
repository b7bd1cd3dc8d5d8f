"""What a reload brings: the components that are not what they were, one line of the log for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wisp.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wisp.cli.prepared import PreparedApp, PreparedComponent


@dataclass(frozen=True, slots=True)
class Change:
    """A component that is other than before, new, or gone."""

    app: str
    component: str
    before: PreparedComponent | None
    after: PreparedComponent | None

    @property
    def message(self) -> str:
        """Say it in words."""
        if self.after is None:
            return f"component {self.component} is gone"
        if self.before is None:
            return f"component {self.component} is new: {_words(self.after)}"
        return f"component {self.component} is now {_words(self.after)}; it was {_words(self.before)}"

    @property
    def details(self) -> dict[str, object]:
        """Say it to programs."""
        after = self.after
        found = (after.digest, after.language, after.size) if after else (None, None, None)
        digest, language, size = found
        return {
            "app": self.app,
            "component": self.component,
            "digest": digest,
            "language": language,
            "size": size,
        }


def changes(before: Sequence[PreparedApp], after: Sequence[PreparedApp]) -> Iterator[Change]:
    """Compare what was served with what is served now."""
    old, new = _components(before), _components(after)
    for key in dict.fromkeys([*old, *new]):
        was, now = old.get(key), new.get(key)
        if was is None or now is None or was.digest != now.digest:
            yield Change(*key, was, now)


def _components(apps: Sequence[PreparedApp]) -> dict[tuple[str, str], PreparedComponent]:
    return {(app.name, component.name): component for app in apps for component in app.components}


def _words(component: PreparedComponent) -> str:
    return f"{component.language or 'a file'}, {output.size(component.size)}"
