"""Problem details (RFC 9457): what an error answer says."""

from __future__ import annotations

from http import HTTPStatus


def title(status: int) -> str:
    """Return the status's own phrase: `Not Found` for 404."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """Raise it in a handler: the client gets `status` and a JSON body that says what is wrong.

    Args:
        status: The HTTP status, usually 400 to 499.
        detail: What is wrong, for the one who reads the answer; no secrets, no internals.
        extra: More members of the problem object, for example `field="id"`.

    """

    def __init__(self, status: int, detail: str, **extra: object) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.extra = extra

    def members(self) -> dict[str, object]:
        """Return the problem object's members, the standard ones first."""
        head: dict[str, object] = {"type": "about:blank", "title": title(self.status), "status": self.status}
        return head | {"detail": self.detail} | self.extra
