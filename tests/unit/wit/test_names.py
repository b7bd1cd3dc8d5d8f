"""Names of WIT in Python."""

from __future__ import annotations

import pytest

from wisp.wit.names import case_name, interface_name, type_name, value_name


@pytest.mark.parametrize(
    ("name", "value", "kind", "case"),
    [
        ("encryption-level", "encryption_level", "EncryptionLevel", "ENCRYPTION_LEVEL"),
        ("from", "from_", "From", "FROM"),
        ("HTTP-status", "http_status", "HTTPStatus", "HTTP_STATUS"),
        ("none", "none", "None_", "NONE"),
    ],
)
def test_a_name_of_wit_is_one_of_python(name: str, value: str, kind: str, case: str) -> None:
    assert (value_name(name), type_name(name), case_name(name)) == (value, kind, case)


def test_an_interface_is_called_by_its_last_word() -> None:
    assert interface_name("cyber:packets/data-processor@0.2.0") == "DataProcessor"
