"""Machines of a lattice that know nothing of each other but what an invitation says: each has its own folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.host import Host, environment, finished

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

HOSTING = ("--http", "127.0.0.1:0", "--workers", "1", "--log-format", "json")


class Machine:
    """One machine: its state, its environment, and the host on it."""

    def __init__(self, folder: Path, cache: Path, name: str) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.variables = environment(cache, WISP_STATE_DIR=str(self.folder / "state"))
        for variable in ("WISP_NATS", "WISP_LATTICE", "WISP_AUTHORITY_KEY"):
            self.variables.pop(variable, None)

    @property
    def papers(self) -> Path:
        """Where what its host has as a member is."""
        return self.folder / "state" / "default" / "hosts" / self.name / "identity"

    def up(self, *words: str) -> Host:
        """Begin the lattice here."""
        return self._host("lattice", "up", words=("--nats-listen", "127.0.0.1:0", *words))

    def join(self, invitation: str, *words: str) -> Host:
        """Join with the words that `wisp lattice invite` has printed."""
        _, *command = invitation.split()
        return self._host(*command, words=words)

    def host(self, *words: str) -> Host:
        """Start the host again."""
        return self._host("host", words=words)

    def wisp(self, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return finished(words, self.variables, code)

    def invite(self, *words: str) -> str:
        """Return what `wisp lattice invite` prints."""
        return self.wisp("lattice", "invite", *words).stdout.strip()

    def _host(self, *command: str, words: tuple[str, ...]) -> Host:
        return Host(
            *HOSTING,
            "--name",
            self.name,
            *words,
            folder=self.folder,
            variables=self.variables,
            listen=None,
            command=command,
        )
