"""What a manifest says of calls between components: which component answers what another one imports, and what is offered to other apps."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, Strict, model_validator

from wisp.manifest.table import Table
from wisp.manifest.values import InterfaceName, LinkName, Name, distinct, one_or_many

LinkMode: TypeAlias = Literal["auto", "fused", "bridged", "remote"]


def _link(value: object) -> object:
    return {"component": value} if isinstance(value, str) else value


class LinkTarget(Table):
    """Which component answers an interface that another one imports, and how it is called."""

    component: Name = Field(description="The component that exports the interface.", examples=["processor"])
    mode: LinkMode = Field(
        "auto",
        description="`fused`: both become one component, so that a call costs nanoseconds; what is linked to runs under the"
        " limits of what calls it, and is denied all that was not granted to it. `bridged`: the other runs in instances of"
        " its own, with its own limits and environment, and values are copied. `remote`: the same, on another host of the lattice where it"
        " does not run on this one. `auto`: `remote` with `app`; else fused, unless the other was"
        " granted something (an environment, addresses), and not just what its caller was.",
        examples=["bridged"],
    )
    app: Name | None = Field(
        None,
        description="The app of the lattice that the component belongs to, which offers the interface to this app; this app itself when it"
        " is not given.",
        examples=["billing"],
    )
    idempotent: bool = Field(
        default=False,
        description="Of a remote link: a call may run twice, so it is made again on another host when the connection breaks and nobody knows"
        " whether it ran.",
    )

    @model_validator(mode="after")
    def _check_remote(self) -> LinkTarget:
        if self.app is not None and self.mode not in ("auto", "remote"):
            message = f"a component of another app cannot be {self.mode}; leave `mode` out"
            raise ValueError(message)
        if self.idempotent and not self.is_remote:
            message = '`idempotent` is for links with `app` or `mode = "remote"`'
            raise ValueError(message)
        return self

    @property
    def is_remote(self) -> bool:
        """Whether the component may be on another host."""
        return self.app is not None or self.mode == "remote"


Links: TypeAlias = dict[
    LinkName, Annotated[LinkTarget, BeforeValidator(_link, json_schema_input_type=Name | LinkTarget)]
]


Offers: TypeAlias = dict[
    InterfaceName,
    Annotated[
        tuple[Name | Literal["*"], ...],
        Strict(strict=False),
        AfterValidator(distinct),
        BeforeValidator(one_or_many, json_schema_input_type=Name | Literal["*"] | list[Name | Literal["*"]]),
    ],
]
