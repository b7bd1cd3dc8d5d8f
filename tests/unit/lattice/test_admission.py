"""What a host's policy says of versions of an app, and that what speaks for them stays with the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wisp.errors import SignatureError
from wisp.lattice.commands.changing import Wanted, deployed, gone_back, scaled
from wisp.lattice.records import App, Placed
from wisp.lattice.running.admission import admit
from wisp.registry.cache import Cache
from wisp.registry.signing.evidence import Evidence
from wisp.registry.signing.gate import Gate
from wisp.registry.signing.keys import PrivateKey
from wisp.registry.signing.statements import Signature, bundle

if TYPE_CHECKING:
    from pathlib import Path

KEY = PrivateKey.generate("acme")


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    (tmp_path / "acme.pub").write_bytes(KEY.public.pem())
    policy = tmp_path / "policy.toml"
    policy.write_text('[[trust]]\nname = "ghcr.io/acme/..."\nkeys = ["acme.pub"]\n', encoding="utf-8")
    return Gate.open(policy, Cache.open(tmp_path / "cache"))


def locked(number: int) -> str:
    return f"sha256:{number:064x}"


def version(before: App | None, number: int, *, signed: bool = True, name: str = "ghcr.io/acme/shop") -> App:
    """Deploy the artifact of a number."""
    manifest = f"manifest {number}".encode()
    digest = Evidence((manifest,), ()).digest
    signatures = (Signature("bundle", bundle(digest, KEY)),) if signed else ()
    evidence = Evidence((manifest,), signatures).to_bytes().decode()
    wanted = Wanted("shop", str(number), locked(number), {}, {}, f"{name}:1@{digest}", evidence)
    return deployed(before, wanted, number)


def placed(number: int) -> Placed:
    return Placed(app="shop", revision=1, digest=locked(number), hosts=("a",))


def test_a_signed_version_is_let_in_and_one_that_is_not_is_refused_with_the_reason(gate: Gate) -> None:
    admit(gate, version(None, 1), placed(1))

    with pytest.raises(SignatureError, match="it is not signed"):
        admit(gate, version(None, 1, signed=False), placed(1))
    with pytest.raises(SignatureError, match="no entry is about it"):
        admit(gate, version(None, 1, name="ghcr.io/other/shop"), placed(1))


def test_each_version_of_an_app_is_judged_by_what_speaks_for_it(gate: Gate) -> None:
    app = version(version(None, 1), 2, signed=False)

    admit(gate, app, placed(1))
    with pytest.raises(SignatureError, match="it is not signed"):
        admit(gate, app, placed(2))


def test_what_speaks_for_a_version_is_there_when_it_is_gone_back_to(gate: Gate) -> None:
    app = scaled(version(version(None, 1), 2), {"replicas": 3})

    back = gone_back(app, (), None, 9)

    assert back.digest == locked(1)
    admit(gate, back, placed(1))
    admit(gate, App.read(back.to_bytes()), placed(1))


def test_what_speaks_for_versions_that_are_forgotten_is_forgotten() -> None:
    app = version(None, 1)
    for number in range(2, 20):
        app = version(app, number)

    assert len(app.evidence) == len(app.history) == app.strategy.keep


def test_evidence_of_another_artifact_is_none(gate: Gate) -> None:
    app, other = version(None, 1, signed=False), version(None, 2)
    assert app.source is not None
    swapped = app.model_copy(update={"evidence": {app.source: next(iter(other.evidence.values()))}})

    with pytest.raises(SignatureError, match="it came without its signatures"):
        admit(gate, swapped, placed(1))


def test_an_app_that_was_built_is_nobodys_artifact(gate: Gate) -> None:
    app = deployed(None, Wanted("shop", "1", locked(1), {}, {}), 1)

    admit(gate, app, placed(1))
    admit(gate, None, placed(1))
