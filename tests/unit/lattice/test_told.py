"""What workers are told of NATS is what the URL says."""

from __future__ import annotations

import pytest

from wisp.lattice.joining import Address
from wisp.lattice.told import nats_settings


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
    assert nats_settings(Address(url, "shop")) == {"lattice": "shop", "replicas": 1, **told}
