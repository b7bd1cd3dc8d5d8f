from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from wisp.host import owners

if TYPE_CHECKING:
    from pathlib import Path


def test_the_process_that_listens_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = owners.of_port(server.getsockname()[1])

    assert found is not None
    assert found.endswith(f"(process {os.getpid()})")


def test_a_listener_of_ipv6_is_found() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        found = owners.of_port(server.getsockname()[1], ipv6=True)

    assert found is not None
    assert found.endswith(f"(process {os.getpid()})")


def test_nobody_is_named_for_a_port_that_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert owners.of_port(port) is None


def test_nobody_is_named_where_the_system_does_not_tell(tmp_path: Path) -> None:
    assert owners.of_port(80, proc=tmp_path) is None


def test_nobody_is_named_for_a_socket_of_a_process_that_we_may_not_see(tmp_path: Path) -> None:
    row = "0: 0100007F:0050 00000000:0000 0A 0:0 0:0 0 0 0 4711 1\n"
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text("header\n" + row, encoding="utf-8")
    (tmp_path / "12").mkdir()

    assert owners.of_port(80, proc=tmp_path) is None
