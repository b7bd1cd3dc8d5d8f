"""What workers are told of NATS is what the URL says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wisp.lattice.membership.papers import WORKER_CREDENTIALS_FILE, Papers
from wisp.lattice.running.joining import Address
from wisp.lattice.running.told import nats_settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nats://127.0.0.1:4222", {"servers": ["nats://127.0.0.1:4222"]}),
        ("127.0.0.1:4222", {"servers": ["nats://127.0.0.1:4222"]}),
        ("nats://s%20ecret@10.0.0.1:1", {"servers": ["nats://10.0.0.1:1"], "token": "s ecret"}),
        ("tls://me:p%40ss@[::1]:1", {"servers": ["tls://[::1]:1"], "user": "me", "password": "p@ss"}),
    ],
)
def test_a_url_becomes_a_server_and_what_we_prove_ourselves_with(url: str, told: dict[str, object]) -> None:
    expected = {"lattice": "shop", "replicas": 1, "tls_first": False, **told}

    assert nats_settings(Address(url, "shop")) == expected


def test_workers_of_a_lattice_with_an_authority_have_credentials_of_their_own(tmp_path: Path) -> None:
    papers = Papers(tmp_path, "a")
    (tmp_path / WORKER_CREDENTIALS_FILE).write_text("what a worker may", encoding="utf-8")
    address = Address("10.0.0.1:4222,10.0.0.2:4222,10.0.0.3:4222", "shop", papers.access)

    assert nats_settings(address, papers.worker_access) == {
        "lattice": "shop",
        "servers": ["tls://10.0.0.1:4222", "tls://10.0.0.2:4222", "tls://10.0.0.3:4222"],
        "replicas": 3,
        "tls_first": True,
        "credentials": "what a worker may",
        "ca": str(tmp_path / "ca.pem"),
    }
