"""What an instance may take."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one instance may take.

    Args:
        memory: Of all its linear memories together: ``"64MiB"``, or bytes.
        timeout: Seconds that its instantiation, and each call, may take; None is for ever.

    Raises:
        ValueError: One of them is not of this form.

    """

    memory: str | int = "256MiB"
    timeout: float | None = 30.0

    def __post_init__(self) -> None:
        from wisp.manifest.units import parse_size  # noqa: PLC0415 - the manifest is slow to import

        try:
            parse_size(self.memory)
        except ValueError as error:
            message = f"memory: {error}"
            raise ValueError(message) from None
        timeout: object = self.timeout
        if timeout is None:
            return
        if (
            isinstance(timeout, bool)
            or not isinstance(timeout, int | float)
            or not 0 < timeout < float("inf")
        ):
            message = f"timeout: expected seconds above 0, or None, found {timeout!r}"
            raise ValueError(message)

    @property
    def memory_bytes(self) -> int:
        """The memory in bytes."""
        from wisp.manifest.units import parse_size  # noqa: PLC0415 - the manifest is slow to import

        return parse_size(self.memory)
