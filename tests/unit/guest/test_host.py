"""The modules of the guest library where there is no host: outside of a component, and while one is built."""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING

import pytest

from wisp_guest import _host, blobstore, client, config, errors, keyvalue, messaging, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    "ask",
    [
        lambda: keyvalue.open().get("key"),
        lambda: config.get("key"),
        lambda: sqlite.connect().execute("select 1"),
        lambda: blobstore.container("images").read("cat.png"),
        lambda: messaging.publish("orders", b""),
        lambda: client.get("https://example.com"),
    ],
    ids=["keyvalue", "config", "sqlite", "blobstore", "messaging", "client"],
)
def test_outside_of_a_component_there_is_nobody_to_ask(ask: Callable[[], object]) -> None:
    with pytest.raises(errors.OutsideError, match="this is not the inside of a component"):
        ask()


def test_while_a_component_is_built_there_is_nobody_to_ask_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    bindings = types.ModuleType("wit_world.imports.store")
    bindings.get = str.upper  # type: ignore[attr-defined]
    monkeypatch.setattr(_host._Life, "ready", False)
    interface = _host.Interface("wasi:config/store")
    interface.bindings = bindings

    with pytest.raises(
        errors.OutsideError, match="when a request is served, not when the module is imported"
    ):
        interface.get("key")
    _host.ready()

    assert interface.get("key") == "KEY"


def test_bindings_are_found_by_the_long_name_where_the_short_one_is_of_another_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {}
    for name in (
        "wit_world",
        "wit_world.imports",
        *(f"wit_world.imports.{each}" for each in ("a_b_store", "atomics")),
    ):
        found[name] = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, found[name])

    assert _host.Interface("a:b/store").bindings is found["wit_world.imports.a_b_store"]
    assert _host.Interface("a:b/atomics").bindings is found["wit_world.imports.atomics"]
    monkeypatch.setattr(_host._Life, "inside", True)
    with pytest.raises(errors.OutsideError, match="the component does not import a:b/batch"):
        _host.Interface("a:b/batch").get_many()


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("Error_NoSuchStore", "no-such-store"),
        ("ErrorCode_DnsTimeout", "dns-timeout"),
        ("StreamError_Closed", "closed"),
    ],
)
def test_a_case_is_called_as_its_interface_calls_it(name: str, case: str) -> None:
    assert _host.case(type(name, (), {})()) == case
    assert _host.case("access denied") == "access denied"


@pytest.mark.parametrize(
    "module", ["blobstore", "client", "config", "keyvalue", "logs", "messaging", "sqlite"]
)
def test_a_module_exports_what_it_has(module: str) -> None:
    found = importlib.import_module(f"wisp_guest.{module}")

    assert sorted(found.__all__) == list(found.__all__)
    assert all(hasattr(found, name) for name in found.__all__)


@pytest.mark.parametrize(
    "kind",
    [
        keyvalue.DeniedError,
        config.MissingError,
        sqlite.DeniedError,
        blobstore.DeniedError,
        messaging.DeniedError,
        client.DeniedError,
    ],
)
def test_what_is_not_granted_is_one_kind_of_error_in_all_modules(kind: type[Exception]) -> None:
    assert issubclass(kind, errors.NotGrantedError)
    assert issubclass(kind, errors.CapabilityError)
