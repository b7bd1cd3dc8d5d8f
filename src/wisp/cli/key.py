"""`wisp key`: makes and shows the keys that sign artifacts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import output
from wisp.cli.parser import Subcommand, add_commands
from wisp.errors import SignatureError

if TYPE_CHECKING:
    import argparse

    from wisp.registry.signing.keys import PublicKey

_PRIVATE = b"PRIVATE KEY-----"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `wisp key`."""
    add_commands(parser, COMMANDS)


def run(arguments: argparse.Namespace) -> int:
    """Do what the command says."""
    return COMMANDS[arguments.command].run(arguments)


def make(name: Path) -> tuple[Path, Path]:
    """Write a new pair of keys, and return its files: the private one, and the public one.

    Raises:
        WispError: a file is there already, or cannot be written.

    """
    from wisp.cli import passwords  # noqa: PLC0415 - the help does not need it
    from wisp.registry import files  # noqa: PLC0415 - the same
    from wisp.registry.signing.keys import PrivateKey  # noqa: PLC0415 - slow to import

    private, public = name.with_name(f"{name.name}.key"), name.with_name(f"{name.name}.pub")
    for path in (private, public):
        if path.exists():
            message = f"{output.short(path)} is there already, and what it has signed needs it"
            raise SignatureError(message, hint="name another file")
    key = PrivateKey.generate(str(private))
    files.write(private, key.encrypted(passwords.new(str(private))))
    output.write(public, key.public.pem())
    return private, public


def _configure_new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name",
        nargs="?",
        type=Path,
        default=Path("cosign"),
        metavar="NAME",
        help="what the files are called, without .key and .pub (default: cosign)",
    )


def _new(arguments: argparse.Namespace) -> int:
    for path in make(arguments.name):
        print(f"wrote {output.short(path)}", file=sys.stderr)
    return 0


def _configure_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a public key, or a private one")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _show(arguments: argparse.Namespace) -> int:
    key = _public(arguments.file)
    if arguments.json:
        print(json.dumps({"fingerprint": key.fingerprint, "key": key.pem().decode()}, indent=2))
    else:
        print(f"{key.fingerprint}\n{key.pem().decode()}", end="")
    return 0


def _public(file: Path) -> PublicKey:
    from wisp.cli import passwords  # noqa: PLC0415 - the help does not need it
    from wisp.registry.signing import keys  # noqa: PLC0415 - slow to import

    try:
        private = _PRIVATE in file.read_bytes()
    except OSError as error:
        message = f"the key {file} cannot be used: {error.strerror}"
        raise SignatureError(message) from error
    return keys.read_private(file, passwords.of(str(file))).public if private else keys.read_public(file)


COMMANDS = {
    "new": Subcommand(
        "Make a pair of keys, in cosign's files",
        (
            ("wisp key new acme", "write acme.key, encrypted with a password, and acme.pub"),
            ("COSIGN_PASSWORD=... wisp key new acme", "the same where nobody sits at a terminal"),
        ),
        _configure_new,
        _new,
    ),
    "show": Subcommand(
        "Print a public key and its fingerprint",
        (
            ("wisp key show acme.pub", "to compare it with what somebody told you"),
            ("wisp key show acme.key", "the public half of a private key"),
        ),
        _configure_show,
        _show,
    ),
}
