"""`runtime-config.toml`."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from wisp.errors import ManifestError
from wisp.manifest.load import SpinOptions, loads
from wisp.manifest.spin import runtime

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
spin_manifest_version = 2
[application]
name = "app"
[variables]
host = { required = true }
[[trigger.http]]
route = "/..."
component = "a"
[component.a]
source = "a.wasm"
allowed_outbound_hosts = ["https://api.example.com", "https://{{ host }}"]
[component.b]
source = "a.wasm"
allowed_outbound_hosts = ["https://api.example.com"]
"""


def config(folder: Path, text: str) -> Path:
    file = folder / "runtime-config.toml"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    return file


def test_what_it_says_about_components_is_applied(tmp_path: Path) -> None:
    for name in ("a.wasm", "ca.pem", "client.pem", "key.pem"):
        (tmp_path / name).touch()
    file = config(
        tmp_path,
        """
        max_instance_memory = 10485760
        [[variables_provider]]
        type = "static"
        values = { host = "static.example.com" }
        [outbound_http]
        connection_pooling = true
        max_connections = 7
        [outbound_networking]
        block_networks = ["private"]
        [[client_tls]]
        component_ids = ["a"]
        hosts = ["api.example.com"]
        ca_roots_file = "ca.pem"
        client_cert_file = "client.pem"
        client_private_key_file = "key.pem"
        [outbound_redis]
        max_connections = 4
        [llm_compute]
        type = "spin"
        """,
    )

    manifest = loads(MANIFEST, path=tmp_path / "spin.toml", spin_options=SpinOptions({}, runtime.load(file)))

    limits, grants = manifest.component["a"].limits, manifest.component["a"].grants
    assert (limits.memory, limits.connections) == (10485760, 7)
    assert [granted.to for granted in grants.http] == [
        "https://api.example.com",
        "https://static.example.com",
    ]
    assert [granted.private for granted in grants.http] == [False, False]
    assert grants.http[0].roots == str(tmp_path / "ca.pem")
    assert grants.http[0].key == str(tmp_path / "key.pem")
    assert grants.http[1].roots is None
    assert manifest.component["b"].grants.http[0].certificate is None


def test_the_folder_of_the_stores_is_looked_for_from_where_we_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = config(
        tmp_path,
        """
        state_dir = "kept"
        [key_value_store.default]
        type = "spin"
        [sqlite_database.main]
        type = "spin"
        """,
    )

    assert runtime.load(file).state == tmp_path / "kept"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stat_dir = 'x'", "1:1: stat_dir: unknown key; did you mean `state_dir`"),
        (
            "[key_value_store.cache]\ntype = 'redis'\nurl = 'redis://localhost'",
            'key_value_store.cache: there is no store of type "redis" here',
        ),
        (
            "[sqlite_database.main]\ntype = 'libsql'\nurl = 'x'\ntoken = 'y'",
            'sqlite_database.main: there is no store of type "libsql"',
        ),
        (
            "[key_value_store.a]\ntype = 'spin'\npth = 'x'",
            "3:1: key_value_store.a.pth: unknown key; did you mean `path`",
        ),
        ("[[variables_provider]]\ntype = 'vault'\nurl = 'x'", 'values are not fetched from "vault"'),
        (
            "[sqlite_database.main]\ntype = 'spin'\npath = 'main.db'",
            "3:8: sqlite_database.main.path: every store has its file in one folder, this one sqlite/main.db",
        ),
        ("log_dir = 'logs'", "log_dir: there are no files of logs"),
        ("[outbound_networking]\nblock_networks = ['10.0.0.0/8']", 'only "private" can be blocked'),
        ("[sqlite_database.a]\ntype = 'spin'\nallow_attach_file = true", "databases cannot be attached"),
        ("max_instance_memory = 'much'", "max_instance_memory: expected an integer, found a string"),
    ],
)
def test_what_cannot_be_had_is_refused_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ManifestError) as caught:
        runtime.load(config(tmp_path, text))

    assert says in str(caught.value)
