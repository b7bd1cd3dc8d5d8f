"""A stand-in for what a component imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Fake"]


class Fake:
    """Answers an import as it is told, and remembers what it was asked.

    Args:
        answers: By the name of a function: what it returns; or an exception, which it raises; or something to be called, which
            answers with what that returns. By the name of a resource: the class that implements it.

    """

    def __init__(self, **answers: object) -> None:
        self._answers = answers
        self.calls: list[tuple[str, tuple[object, ...]]] = []
        """The calls in their order: the function's name and its arguments."""

    def keys(self) -> Iterator[str]:
        """Return the names of the functions."""
        return iter(self._answers)

    def get(self, name: str) -> Callable[..., object] | None:
        """Return the function of that name, if there is one."""
        if name not in self._answers:
            return None
        if isinstance(implemented := self._answers[name], type):
            return implemented

        def answer(*given: object) -> object:
            self.calls.append((name, given))
            found = self._answers[name]
            if isinstance(found, BaseException):
                raise found
            return found(*given) if callable(found) else found

        return answer
