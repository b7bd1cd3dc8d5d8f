"""Every `spin.toml` in `golden/` gives the tables of a `wisp.toml` with notes, or the error, that lies beside it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wisp.cli.convert import convert
from wisp.errors import ManifestError
from wisp.manifest import document, load
from wisp.manifest.locked import lock_app

if TYPE_CHECKING:
    from wisp.manifest.models import Manifest

GOLDEN = Path(__file__).parent / "golden"
MANIFESTS = sorted(GOLDEN.glob("*.toml"))


@pytest.fixture(autouse=True)
def _sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put what golden manifests name where they look for it, and nothing into the environment."""
    for name in ("a.wasm", "b.wasm", "c.wasm", "one.txt", "styles/site.css", "styles/print/page.css"):
        write(tmp_path / name)
    for name in ("none", "all"):
        write(tmp_path / "libs" / f"{name}.wasm")
    for name in ("assets/logo.png", "assets/icons/secret.png", "assets/icons/small.png", "assets/notes.txt"):
        write(tmp_path / name)
    for name in [name for name in os.environ if name.startswith("SPIN_VARIABLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_gives_what_lies_beside_it(manifest: Path) -> None:
    expected = next(
        (file for file in (manifest.with_suffix(".json"), manifest.with_suffix(".err")) if file.exists()),
        None,
    )

    kind, text = outcome(manifest)

    if os.environ.get("WISP_UPDATE_GOLDEN"):
        if expected is not None:
            expected.unlink()
        expected = manifest.with_suffix(kind)
        expected.write_text(text, encoding="utf-8")
    assert expected is not None, text
    assert (expected.suffix, expected.read_text(encoding="utf-8")) == (kind, text)


@pytest.mark.parametrize(
    "manifest", [path for path in MANIFESTS if path.with_suffix(".json").exists()], ids=lambda path: path.stem
)
def test_what_is_written_for_it_gives_the_same_locked_app(manifest: Path) -> None:
    path = Path.cwd() / "spin.toml"
    text = manifest.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")

    written, _ = convert(path, load.SpinOptions())

    for profile in (None, *load.loads(text, path=path).profile):
        direct = load.loads(text, path=path, profile=profile)
        converted = load.loads(written, path=path.with_name("wisp.toml"), profile=profile)
        assert locked(converted) == locked(direct)


def outcome(manifest: Path) -> tuple[str, str]:
    text = manifest.read_text(encoding="utf-8")
    profile = re.match(r"# profile: (.*)\n", text)
    path = Path.cwd() / "spin.toml"
    try:
        loaded = load.loads(text, path=path, profile=profile[1] if profile else None)
        read = load.read_spin(document.parse(text, path), text, path, load.SpinOptions())
    except ManifestError as error:
        hint = f"hint: {error.hint}\n" if error.hint else ""
        return ".err", f"{error}\n{hint}"
    locked(loaded)
    notes = [f"{note.line}: {note.key}: {note.kind}: {note.message}" for note in read.notes]
    return ".json", json.dumps({"manifest": read.data, "notes": notes}, indent=2) + "\n"


def locked(manifest: Manifest) -> dict[str, object]:
    return lock_app(manifest, dict.fromkeys(manifest.component, "sha256:" + "d" * 64)).to_data()
