"""Until when jobs have been looked after: what tells after a start that runs were missed. One file in the state of each app."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from wisp.manifest import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from wisp.host.schedule import Job

NAME: Final = "cron.json"
FORMAT: Final = 1


class Remembered:
    """Until when all jobs have been looked after, in memory and on disk."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        """`complain` is told once for each file that cannot be read or written."""
        self._complain = complain
        self._complained: set[Path] = set()
        self._newer: set[Path] = set()
        self._files: dict[Path, dict[str, str]] = {}

    def last(self, job: Job) -> datetime | None:
        """Return until when this job has been looked after, as far as that is known."""
        text = self._known(job.state / NAME).get(_key(job))
        return None if text is None else datetime.fromisoformat(text)

    def remember(self, job: Job, until: datetime) -> None:
        """Write down that this job has been looked after until then, before its run begins: it does not begin again."""
        path = job.state / NAME
        self._known(path)[_key(job)] = until.isoformat()
        self._write(path)

    def retain(self, jobs: Iterable[Job]) -> None:
        """Forget jobs that are not there any more, in the files of those that are."""
        kept: dict[Path, set[str]] = {}
        for job in jobs:
            kept.setdefault(job.state / NAME, set()).add(_key(job))
        for path, keys in kept.items():
            known = self._known(path)
            # Another app may have its state in the same folder.
            apps = {_app(key) for key in keys}
            gone = [key for key in known if _app(key) in apps and key not in keys]
            for key in gone:
                del known[key]
            if gone:
                self._write(path)

    def _known(self, path: Path) -> dict[str, str]:
        if path not in self._files:
            self._files[path] = self._read(path)
        return self._files[path]

    def _read(self, path: Path) -> dict[str, str]:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["format"] == FORMAT:
                return {str(key): _moment(text) for key, text in document["until"].items()}
            self._newer.add(path)
            self._say(
                path, f"cannot read {path}: its format is {document['format']}, and this wisp knows {FORMAT}"
            )
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._say(path, f"cannot read {path}: {error}")
        return {}

    def _write(self, path: Path) -> None:
        if path in self._newer:
            return
        document = {"format": FORMAT, "until": dict(sorted(self._files[path].items()))}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write(path, (json.dumps(document, indent=1) + "\n").encode())
        except OSError as error:
            self._say(path, f"cannot write {path}: {error.strerror}")

    def _say(self, path: Path, message: str) -> None:
        if path not in self._complained:
            self._complained.add(path)
            self._complain(f"{message}; runs that are missed while the host is down will not be noticed")


def _key(job: Job) -> str:
    return f"{job.app} {job.component} {job.schedule} {job.timezone}"


def _app(key: str) -> str:
    return key.partition(" ")[0]


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()
