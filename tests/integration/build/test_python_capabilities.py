"""What Python components import of the host: what their sources use, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.build.projects import build, write
from wisp import native
from wisp.build.python import BUILDER

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)
GUEST = "python"

HANDLER = "\n\n@serve\ndef handle(request: Request) -> Response:\n    return Response(request.body)\n"
HTTP = "from wisp_guest.http import Request, Response, serve\n"


def of_the_host(component: bytes) -> list[str]:
    """Return the imports that are granted by name."""
    names = (name.partition("@")[0] for name in native.inspect(component).imports)
    system = ("wasi:cli/", "wasi:io/", "wasi:clocks/", "wasi:filesystem/", "wasi:sockets/", "wasi:random/")
    return sorted(name for name in names if not name.startswith(system) and name != "wasi:http/types")


def test_a_service_that_uses_nothing_of_the_host_imports_nothing_of_it(tmp_path: Path, work: Path) -> None:
    folder = write(tmp_path, app_py=HTTP + HANDLER)

    assert of_the_host(build(BUILDER, folder, work)) == []


def test_a_service_imports_what_any_of_its_modules_uses_beside_its_own_world(
    tmp_path: Path, work: Path
) -> None:
    folder = write(
        tmp_path,
        app_py=f"import storage\nfrom wisp_guest import blobstore, client, logs\n{HTTP}\nlogs.install()\n{HANDLER}",
        storage_py="from wisp_guest import config, keyvalue\n\nstore = keyvalue.open('default')\n",
        wit__world_wit="package a:b; world part { import c:d/types; }",
        wit__deps__own_wit="package c:d; interface types { f: func() -> u32; }",
    )

    assert of_the_host(build(BUILDER, folder, work)) == [
        "c:d/types",
        "wasi:blobstore/blobstore",
        "wasi:blobstore/container",
        "wasi:blobstore/types",
        "wasi:config/store",
        "wasi:http/outgoing-handler",
        "wasi:keyvalue/atomics",
        "wasi:keyvalue/batch",
        "wasi:keyvalue/store",
        "wasi:logging/logging",
        "wisp:keyvalue/extension",
    ]


def test_a_library_uses_what_the_host_offers_too(tmp_path: Path, work: Path) -> None:
    folder = write(
        tmp_path,
        app_py=(
            "from wisp_guest import messaging, sqlite\nfrom wit_world import exports\n\n"
            "class Shelf(exports.Shelf):\n    def books(self) -> int:\n        return 1\n"
        ),
        wit__world_wit="package a:b; world part { export c:d/shelf; }",
        wit__deps__own_wit="package c:d; interface shelf { books: func() -> u32; }",
    )

    component = build(BUILDER, folder, work)

    assert "c:d/shelf" in native.inspect(component).exports
    assert of_the_host(component) == ["wisp:messaging/producer", "wisp:messaging/types", "wisp:sqlite/sqlite"]
