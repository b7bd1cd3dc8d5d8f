"""Where secrets come from. Only the names are in the manifest; values go to the workers and nowhere else."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from wisp.manifest.table import Table
from wisp.manifest.values import RelativePath, parse_variable


class Secret(Table):
    """Where one secret comes from: exactly one of the keys."""

    environment: Annotated[str, AfterValidator(parse_variable)] | None = Field(
        None, description="An environment variable of the host.", examples=["API_TOKEN"]
    )
    file: RelativePath | None = Field(
        None,
        description="A file, without the line feed at its end. Relative to the manifest's folder.",
        examples=["/run/secrets/token"],
    )
    command: str | None = Field(
        None,
        description="A command for the shell, in the manifest's folder; the secret is what it writes, without the line feed"
        " at the end.",
        examples=["pass show api-token"],
        min_length=1,
    )

    default: str | None = Field(
        None,
        description="What it is when the environment variable is not set. For what is not really secret: it is written here.",
        examples=["localhost"],
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(source is not None for source in (self.environment, self.file, self.command)) != 1:
            message = (
                'expected one of `environment`, `file` and `command`, such as { environment = "API_TOKEN" }'
            )
            raise ValueError(message)
        if self.default is not None and self.environment is None:
            message = "`default` goes with `environment`"
            raise ValueError(message)
        return self
