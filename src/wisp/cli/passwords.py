"""The password of a private key: from the variable that cosign reads, too, or from the terminal."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Final

from wisp.errors import SignatureError

VARIABLE: Final = "COSIGN_PASSWORD"


def of(key: str) -> bytes:
    """Return the password with which a key is encrypted. Raises SignatureError."""
    return _given(f"Password of {key}: ", key)


def new(key: str) -> bytes:
    """Return the password with which a new key is to be encrypted. Raises SignatureError."""
    if VARIABLE in os.environ:
        return os.environ[VARIABLE].encode()
    first = _given(f"New password of {key}: ", key)
    if first != _given("The same again: ", key):
        raise SignatureError("the two passwords are not the same")
    return first


def _given(question: str, key: str) -> bytes:
    if VARIABLE in os.environ:
        return os.environ[VARIABLE].encode()
    if not sys.stdin.isatty():
        message = f"the key {key} has a password, and there is no terminal to ask for it"
        raise SignatureError(
            message, hint=f"put it into the variable {VARIABLE}; an empty one is a password, too"
        )
    return getpass.getpass(question).encode()
