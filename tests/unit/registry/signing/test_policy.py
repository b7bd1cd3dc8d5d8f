"""A policy: which entry decides about a name, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wisp.errors import ManifestError
from wisp.registry.signing import places, policy
from wisp.registry.signing.keys import PrivateKey

if TYPE_CHECKING:
    from wisp.registry.signing.policy import Policy

KEY = PrivateKey.generate("acme").public


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def written(folder: Path, text: str) -> Path:
    (folder / "acme.pub").write_bytes(KEY.pem())
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, *names: str) -> Policy:
    entries = (f'[[trust]]\nname = "{name}"\nkeys = ["acme.pub"]\n' for name in names)
    return policy.load(written(folder, "".join(entries)))


def test_the_longest_name_that_fits_decides(tmp_path: Path) -> None:
    rules = loaded(tmp_path, "...", "ghcr.io/...", "ghcr.io/acme/...", "ghcr.io/acme/shop")

    for name, decides in [
        ("ghcr.io/acme/shop", "ghcr.io/acme/shop"),
        ("ghcr.io/acme/shop/web", "ghcr.io/acme/..."),
        ("ghcr.io/acme/other", "ghcr.io/acme/..."),
        ("ghcr.io/acmeevil/shop", "ghcr.io/..."),
        ("ghcr.io.evil.com/acme/shop", "..."),
        ("localhost:5000/x", "..."),
    ]:
        found = rules.trust(name)
        assert found is not None
        assert found.name == decides


def test_what_no_entry_fits_is_not_trusted(tmp_path: Path) -> None:
    rules = loaded(tmp_path, "localhost:5000/...", "ghcr.io/acme/shop")

    assert rules.trust("ghcr.io/acme/shop2") is None
    assert rules.trust("ghcr.io/acme") is None
    assert rules.trust("localhost:50001/x") is None


def test_an_empty_policy_trusts_nobody(tmp_path: Path) -> None:
    assert policy.load(written(tmp_path, "")).trust("ghcr.io/acme/shop") is None


def test_a_key_may_be_written_into_the_policy(tmp_path: Path) -> None:
    text = f'[[trust]]\nname = "..."\nkeys = ["""\n{KEY.pem().decode()}"""]\n'

    rules = policy.load(written(tmp_path, text))

    trust = rules.trust("ghcr.io/x")
    assert trust is not None
    assert [key.fingerprint for key in rules.keys(trust)] == [KEY.fingerprint]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[[trust]]\nname = "ghcr.io/acme"\n', 1, "write either keys"),
        ('[[trust]]\nname = "..."\nkeys = ["acme.pub"]\nunsigned = true\n', 1, "write either keys"),
        ('[[trust]]\nname = "acme/shop"\nunsigned = true\n', 2, "expected a repository such as"),
        ('[[trust]]\nname = "ghcr.io/acme/*"\nunsigned = true\n', 2, "expected a repository such as"),
        ('[[trust]]\nname = "ghcr.io/acme/x:1"\nunsigned = true\n', 2, "without tag and digest"),
        ('[[trust]]\nname = "docker.io/x"\nunsigned = true\n', 2, '"docker.io/library/x"'),
        ('[[trust]]\nname = "..."\nkeys = ["acme.pub", "other.pub"]\n', 3, "No such file"),
        ('[[trust]]\nname = "..."\nkeys = ["policy.toml"]\n', 3, "it is not a public key"),
        ('[[trust]]\nname = "..."\nkey = "acme.pub"\n', 3, "did you mean `keys`"),
        ('[[trust]]\nname = "..."\nunsigned = true\n' * 2, 5, 'there are two entries for "..."'),
        ("[[trusts]]\n", 1, "did you mean `trust`"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(ManifestError) as raised:
        policy.load(written(tmp_path, text))

    assert said in raised.value.message
    assert raised.value.line == line


def test_names_of_whole_registries_and_of_docker_hub_are_names(tmp_path: Path) -> None:
    rules = loaded(
        tmp_path, "docker.io/...", "docker.io/library/x", "docker.io/acme/...", "localhost:5000/..."
    )

    found = rules.trust("docker.io/acme/shop")
    assert found is not None
    assert found.name == "docker.io/acme/..."


def test_the_policy_of_the_user_comes_before_that_of_the_machine(tmp_path: Path) -> None:
    own = tmp_path / "home" / ".config" / "wisp" / "policy.toml"

    assert places.candidates(None) == (own, Path("/etc/wisp/policy.toml"))
    own.parent.mkdir(parents=True)
    own.write_text("", encoding="utf-8")
    assert places.find(None) == own
    assert places.find(Path("/nowhere.toml")) == Path("/nowhere.toml")


def test_the_keys_of_a_policy_belong_to_its_files(tmp_path: Path) -> None:
    path = written(tmp_path, '[[trust]]\nname = "..."\nkeys = ["acme.pub"]\n')

    assert places.files(path) == (path, tmp_path / "acme.pub")
    path.write_text("no TOML", encoding="utf-8")
    assert places.files(path) == (path,)
