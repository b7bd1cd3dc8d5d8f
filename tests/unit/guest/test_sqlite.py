from __future__ import annotations

import pytest

from wisp_guest import sqlite


@pytest.mark.parametrize(
    ("statement", "returns"),
    [
        ("select 1", True),
        ("  -- a comment\n SELECT 1", True),
        ("/* insert */ values (1)", True),
        ("(select 1)", True),
        ("pragma table_info(x)", True),
        ("explain query plan select 1", True),
        ("insert into x values (1)", False),
        ("insert into x values ('returning')", False),
        ("insert into x (a) values (1) returning a", True),
        ('update "select" set a = 1', False),
        ("delete from x where a = ?", False),
        ("create table select_ (a)", False),
        ("with a as (select 1) select * from a", True),
        ("with a as (select 1) insert into x select * from a", False),
        ("with a as (insert_ into) delete from x returning b", True),
        ("", False),
    ],
)
def test_it_is_known_whether_a_statement_returns_rows(statement: str, returns: bool) -> None:
    assert sqlite.returns_rows(statement) is returns
