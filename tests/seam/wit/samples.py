"""WIT for tests, the article's interface first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OLD = """\
package cyber:packets@0.1.0;

/// What is done with packets.
interface data-processor {
  /// One packet.
  record packet { id: string, payload: string }
  process: func(input: packet) -> string;
}

world processor { export data-processor; }
"""

NEW = """\
package cyber:packets@0.2.0;

/// What is done with packets.
interface data-processor {
  /// One packet.
  record packet { id: string, payload: string, encryption-level: u32 }
  record processed-packet { id: string, status: status, verification-hash: list<u8> }
  enum status { clean, quarantined }
  /// Why a packet was refused.
  variant process-error { too-long(u32), not-allowed }
  process: func(input: packet) -> result<processed-packet, process-error>;
}

world processor { export data-processor; }
"""

GREETER = """\
package test:greeter@1.0.0;

interface greet { greet: func(name: string) -> string; }

interface unused { record thing { a: u8 } }

world greeter { import greet; export hello: func() -> string; }
"""


def write(folder: Path, text: str, *, dependencies: dict[str, str] | None = None) -> Path:
    """Write a WIT folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "world.wit").write_text(text)
    for name, content in (dependencies or {}).items():
        (folder / "deps" / name).mkdir(parents=True)
        (folder / "deps" / name / "package.wit").write_text(content)
    return folder
