from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wisp.cli import up
from wisp.cli.main import parser_for
from wisp.cli.parser import UsageError
from wisp.errors import HostError
from wisp.host import cpus
from wisp.host.address import Address
from wisp.host.settings import HostSettings, TlsSettings


def settings(*words: str) -> HostSettings:
    return up._settings(parser_for("up").parse(list(words)))


def test_without_options_the_defaults_are_those_of_the_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    default = settings()

    assert default.address == Address("127.0.0.1", 3000)
    assert default.workers == cpus.usable()
    assert default.compiler_strategy == "cranelift"
    assert default.log.format == "text"
    assert default.log.access
    assert default.http.tls is None
    assert default.http.header_timeout_ms == 10_000
    assert default.http.keep_alive_ms == 75_000
    assert default.drain_timeout == 10.0


def test_log_lines_are_json_when_nobody_watches_and_as_asked_for_otherwise() -> None:
    assert settings().log.format == "json"
    assert settings("--log-format", "text").log.format == "text"


def test_the_limit_of_connections_is_shared_by_the_workers_and_rounded_up() -> None:
    assert settings("--workers", "3", "--max-connections", "100").http.max_connections == 34


def test_times_are_read_with_a_unit_or_as_seconds() -> None:
    assert settings("--drain-timeout", "500ms").drain_timeout == 0.5
    assert settings("--keep-alive", "5").http.keep_alive_ms == 5000


def test_developing_compiles_quickly() -> None:
    assert settings("--dev").compiler_strategy == "winch"


def test_proxies_are_told_as_networks() -> None:
    told = settings("--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "::1").http.trusted_proxies

    assert told == ("10.0.0.0/8", "::1/128")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workers", "0"], "--workers must be 1 to 512, not 0"),
        (["--max-connections", "0"], "--max-connections must be at least 1"),
        (["--drain-timeout", "soon"], "--drain-timeout soon: "),
        (["--trusted-proxy", "10.0.0.1/8"], "has host bits set"),
        (["--tls-certificate", "c.pem"], "belong together"),
        (["--tls-certificate", "/no/c.pem", "--tls-key", "/no/k.pem"], "cannot read /no/c.pem"),
    ],
)
def test_an_option_that_makes_no_sense_is_wrong_usage(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings(*words)

    assert message in caught.value.message


def test_a_listen_address_without_port_is_an_error() -> None:
    with pytest.raises(HostError, match="must be a port"):
        settings("--listen", "localhost")


def test_the_files_of_tls_are_told_by_their_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.pem").touch()
    Path("k.pem").touch()

    tls = settings("--tls-certificate", "c.pem", "--tls-key", "k.pem").http.tls

    assert tls == TlsSettings(tmp_path / "c.pem", tmp_path / "k.pem")
