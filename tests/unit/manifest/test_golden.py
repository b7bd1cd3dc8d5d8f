"""Every manifest in `golden/` gives the locked app, or the error, that lies beside it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from wisp.errors import ManifestError
from wisp.manifest.load import loads
from wisp.manifest.locked import lock_app

GOLDEN = Path(__file__).parent / "golden"
MANIFESTS = sorted(GOLDEN.glob("*.toml"))


@pytest.fixture(autouse=True)
def _sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the sources that golden manifests name where they look for them."""
    for folder in ("rust", "python", "assets", "data"):
        (tmp_path / folder).mkdir()
    for file in ("auth.wasm", "README.md", "ca.pem", "client.pem", "client-key.pem"):
        (tmp_path / file).touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_gives_what_lies_beside_it(manifest: Path) -> None:
    expected = next(
        file for file in (manifest.with_suffix(".json"), manifest.with_suffix(".err")) if file.exists()
    )

    kind, text = _outcome(manifest)

    if os.environ.get("WISP_UPDATE_GOLDEN"):
        expected.unlink()
        manifest.with_suffix(kind).write_text(text, encoding="utf-8")
    assert (expected.suffix, expected.read_text(encoding="utf-8")) == (kind, text)


def _outcome(manifest: Path) -> tuple[str, str]:
    text = manifest.read_bytes().decode()
    profile = re.match(r"# profile: (.*)\n", text)
    try:
        loaded = loads(text, path=Path.cwd() / "wisp.toml", profile=profile[1] if profile else None)
    except ManifestError as error:
        hint = f"hint: {error.hint}\n" if error.hint else ""
        return ".err", f"{error}\n{hint}"
    digests = dict.fromkeys(loaded.component, "sha256:" + "d" * 64)
    return ".json", json.dumps(lock_app(loaded, digests).to_data(), indent=2) + "\n"
