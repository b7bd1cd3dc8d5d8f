"""Looks for known faults and forbidden licences in what we depend on. `make audit` runs it.

pip-audit passes over packages of which its source of advisories knows nothing, and then says that no fault is known;
cargo-deny does not begin without the database of RustSec, which lies on GitHub. So each part is asked by itself here,
and what nobody looked at is told apart from what is well. A finding fails the audit. What was not looked at fails it
with --complete only, because not every network reaches both sources.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
PIP_AUDIT = "pip-audit==2.10.1"
EXPORT = (
    "export",
    "--locked",
    "--quiet",
    "--all-groups",
    "--no-emit-workspace",
    "--format",
    "requirements-txt",
)

OPTIONS = ("--disable-pip", "--format", "json", "--progress-spinner", "off")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an audit of one part found."""

    well: bool
    missed: str | None = None
    """What was not looked at, and why."""


def main() -> int:
    """Audit everything, and fail when something was found."""
    parser = argparse.ArgumentParser(description="Look for known faults in dependencies.")
    parser.add_argument("--uv", required=True, type=Path, help="the program uv")
    parser.add_argument("--deny", required=True, type=Path, help="the program cargo-deny")
    parser.add_argument("--complete", action="store_true", help="fail when something could not be looked at")
    options = parser.parse_args()
    outcomes = [python(options.uv), rules(options.deny), advisories(options.deny)]
    missed = [outcome.missed for outcome in outcomes if outcome.missed]
    for what in missed:
        print(f"\nNOT AUDITED: {what}")
    if missed and not options.complete:
        print(
            "\nWhat was not audited is not known to be well; `make audit COMPLETE=1` takes it for a failure."
        )
    return 0 if all(outcome.well for outcome in outcomes) and not (missed and options.complete) else 1


def python(uv: Path) -> Outcome:
    """Ask PyPI for the known faults of every package in uv.lock."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        exported = _run([uv, *EXPORT, "--output-file", requirements])
        if exported.returncode != 0:
            print(f"Python: uv.lock cannot be read: {exported.stderr.strip()}")
            return Outcome(well=False)
        answer = _run([uv, "tool", "run", PIP_AUDIT, *OPTIONS, "--requirement", requirements])
    try:
        packages = json.loads(answer.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Outcome(well=True, missed=f"packages of Python: {_reason(answer)}")
    faulty = [package for package in packages if package.get("vulns")]
    skipped = [package for package in packages if "skip_reason" in package]
    for package in faulty:
        for fault in package["vulns"]:
            mended = ", ".join(fault["fix_versions"]) or "no version"
            print(f"{package['name']} {package['version']}: {fault['id']}, mended in {mended}")
    looked = len(packages) - len(skipped)
    print(f"Python: {looked} of {len(packages)} packages audited, {len(faulty)} with known faults")
    return Outcome(not faulty, _passed_over(skipped) if skipped else None)


def _passed_over(packages: Sequence[dict[str, str]]) -> str:
    names = textwrap.fill(", ".join(package["name"] for package in packages), 108, break_on_hyphens=False)
    return f"{len(packages)} packages of Python. The first: {packages[0]['skip_reason']}. All:\n{names}"


def rules(deny: Path) -> Outcome:
    """Check licences, sources and forbidden crates, for which deny.toml and Cargo.lock are enough."""
    answer = _run([deny, "--locked", "check", "bans", "licenses", "sources"])
    print(f"Rust: {(answer.stdout + answer.stderr).strip()}")
    return Outcome(answer.returncode == 0)


def advisories(deny: Path) -> Outcome:
    """Check crates against the database of RustSec, if that can be had."""
    fetched = _run([deny, "--locked", "fetch", "db"])
    if fetched.returncode != 0:
        return Outcome(well=True, missed=f"advisories of RustSec for crates: {_reason(fetched)}")
    answer = _run([deny, "--locked", "check", "advisories"])
    print(f"Rust: {(answer.stdout + answer.stderr).strip()}")
    return Outcome(answer.returncode == 0)


def _run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _reason(answer: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in answer.stderr.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"it ended with {answer.returncode}"


if __name__ == "__main__":
    sys.exit(main())
