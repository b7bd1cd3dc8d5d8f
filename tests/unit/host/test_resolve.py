"""From the names of a locked app to the values that workers are told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wisp.host.resolve import Place, resolve
from wisp.manifest.load import loads
from wisp.manifest.locked import lock_app

if TYPE_CHECKING:
    from wisp.host.settings import JsonObject

APP = """
app.name = "shop"

[secrets]
token = { file = "token" }

[component.api]
source = "api"
environment = { LEVEL = "set here", OWN = "1" }

[component.api.grants]
http = [{ to = "https://api.example.com", roots = "ca.pem" }, "https://other.example"]
environment = ["TZ", "LEVEL", "ABSENT", "ODD"]
files = [{ source = "assets", mount = "/assets" }]
config = { greeting = "hi", key = { secret = "token" } }
"""


def locked(folder: Path) -> JsonObject:
    (folder / "api").mkdir()
    (folder / "assets").mkdir()
    (folder / "ca.pem").touch()
    manifest = loads(APP, path=folder / "wisp.toml")
    return lock_app(manifest, {"api": "sha256:" + "0" * 64}).to_data()


def resolved(folder: Path, missing: list[tuple[str, str, str]] | None = None) -> dict[str, Any]:
    said = [] if missing is None else missing
    environment = {"TZ": "UTC", "LEVEL": "the host's", "ODD": "\udcff", "OTHER": "never"}
    return dict(
        resolve(
            locked(folder),
            Place.of("shop", folder, None),
            {"token": "canary"},
            environment=environment,
            missing=lambda *what: said.append(what),
        )
    )


def component(app: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = app["components"]["api"]
    return found


def test_the_names_of_variables_become_values_and_the_manifests_own_win(tmp_path: Path) -> None:
    api = component(resolved(tmp_path))

    assert api["environment"] == {"TZ": "UTC", "LEVEL": "set here", "OWN": "1"}
    assert "environment" not in api["grants"]


def test_a_variable_that_cannot_be_had_is_told_with_its_component_and_why(tmp_path: Path) -> None:
    missing: list[tuple[str, str, str]] = []

    resolved(tmp_path, missing)

    assert missing == [("api", "ABSENT", "is not set"), ("api", "ODD", "is not UTF-8")]


def test_paths_become_absolute_and_secrets_become_values(tmp_path: Path) -> None:
    app = resolved(tmp_path)
    grants = component(app)["grants"]

    assert grants["files"] == [{"source": str(tmp_path / "assets"), "mount": "/assets", "write": False}]
    assert [target["roots"] for target in grants["http"]] == [str(tmp_path / "ca.pem"), None]
    assert grants["config"] == {"greeting": "hi", "key": "canary"}
    assert "secrets" not in app
    assert app["state"] == str(tmp_path / ".wisp" / "state")


def test_a_folder_for_the_stores_of_all_apps_has_one_below_it_for_each(tmp_path: Path) -> None:
    assert Place.of("shop", tmp_path, Path("/var/lib/wisp")).state == Path("/var/lib/wisp/shop")
