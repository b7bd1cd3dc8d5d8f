"""The messaging trigger: `[[messaging]]`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from wisp.manifest.grants import Subject
from wisp.manifest.table import Table
from wisp.manifest.units import format_duration
from wisp.manifest.values import AS_DURATION, Duration, Name, between

_MOST_ATTEMPTS: Final = 1000
_LONGEST: Final = timedelta(hours=24)


def _place(text: str) -> str:
    if "*" in text or ">" in text:
        message = f'a message goes to one subject, found "{text}"'
        raise ValueError(message)
    return text


class Subscription(Table):
    """Which messages a component takes. It exports `wisp:messaging/consumer`; each message of a group goes to one worker of one host.

    Messages are taken in a lattice. `wisp up` keeps what is published, and nobody takes it.
    """

    subject: Subject = Field(
        description="Which subjects, of those that components of this app publish to: words with dots between them, `*` for"
        " one word, `>` at the end for all that follow.",
        examples=["orders.*"],
    )
    component: Name = Field(description="The component that takes them.", examples=["mailer"])
    group: Name | None = Field(
        None,
        description="Whoever takes for the same group shares its messages; each group gets all. Without it, the name of the component.",
        examples=["mailer"],
    )
    ordered: bool = Field(
        default=False,
        description="Whether messages with the same header `wisp-key`, or on the same subject if they have none, come one after the"
        " other: the next one when the one before was taken or put aside.",
    )
    attempts: int = Field(
        5, description="How often a message is tried before it is put aside.", ge=1, le=_MOST_ATTEMPTS
    )
    backoff: Annotated[
        Duration, between(timedelta(milliseconds=10), _LONGEST, format_duration), AS_DURATION
    ] = Field(
        timedelta(seconds=1),
        description="The pause before the second attempt; each one is twice as long as the one before.",
        examples=["5s"],
    )
    most_backoff: Annotated[
        Duration, between(timedelta(milliseconds=10), _LONGEST, format_duration), AS_DURATION
    ] = Field(timedelta(minutes=5), description="The longest pause.", examples=["1h"])
    dead_letter: Annotated[Subject, AfterValidator(_place)] | None = Field(
        None,
        description="The subject to which a message is published whose attempts have all failed. Without it, `dead.` and the group.",
        examples=["dead.orders"],
    )

    @property
    def named(self) -> str:
        """The group."""
        return self.group or self.component

    @property
    def aside(self) -> str:
        """Where a message goes whose attempts have all failed."""
        return self.dead_letter or f"dead.{self.named}"

    @model_validator(mode="after")
    def _pauses(self) -> Self:
        if self.most_backoff < self.backoff:
            message = "`most_backoff` is shorter than `backoff`"
            raise ValueError(message)
        return self
