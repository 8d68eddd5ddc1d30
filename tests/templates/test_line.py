"""One line says what, how often and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.time import parse_time
from streams.templates.alike import group
from streams.templates.columns import columns_of
from streams.templates.line import line
from templates.hostile import ANY, SETTINGS

FIRST, LAST = parse_time("2026-11-23T10:00:00.5Z"), parse_time("2026-11-23T12:30:00Z")
WHEN = "2026-11-23T10:00:00Z to 2026-11-23T12:30:00Z"


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["task 7 on node-1", "task 9 on node-1"], "task {7..9} on node-1"),
        (["open /a/b", "open /c"], "open {/a/b, /c}"),
        ([f"open /{n}" for n in "abcde"], "open {/a, /b, /c, 2 more}"),
        (["a\tb\n1"] * 2, "a b 1"),
        (["", ""], ""),
    ],
)
def test_what_is_said(texts: list[str], said: str) -> None:
    (found,) = group(texts)
    columns = columns_of(found.values)
    shown = line(found.template, columns, len(texts), FIRST, LAST)
    assert shown == f"{said} ({len(texts)} times, {WHEN})"


@SETTINGS
@given(st.lists(ANY, max_size=6))
def test_it_is_one_line(texts: list[str]) -> None:
    for found in group(texts * 2):
        columns = columns_of(found.values)
        shown = line(found.template, columns, len(found.members), FIRST, FIRST)
        assert len(shown.splitlines()) == 1
        assert len(shown) < 2_100
