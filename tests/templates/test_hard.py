"""What paraphrases share, and opposites, other values and swapped roles do not."""

import pytest
from hypothesis import given

from streams.templates.hard import hard_tokens, may_link
from templates.hostile import ANY, SETTINGS


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The backfill of 2024-05 is done", "The backfill for 2024-05 has finished"),
        ("Task 7 failed", "Task 7 did not succeed"),
        ("The cache hit rate fell to 40%", "The rate of cache hits dropped to 40%"),
        ("The user prefers tea from China", "The user wants tea from China"),
        ("It can't be reached at 5", "It cannot be reached at 5"),
    ],
)
def test_paraphrases_may_be_linked(one: str, other: str) -> None:
    assert may_link(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Task 7 started", "Task 7 stopped"),
        ("Task 7 started", "Task 8 started"),
        ("PGOOD is asserted", "PGOOD IS NOT ASSERTED"),
        ("The index can be built", "The index can't be built"),
        ("Copied from node-1 to node-2", "Copied from node-2 to node-1"),
        ("Alice paid Bob", "Bob paid Alice"),
        ("team blue paid team green", "team green paid team blue"),
        ("Removing file /a1", "File too young to remove: /a1"),
        ("Screen is on", "Screen is off"),
        ("No worker is up", "A worker is up"),
    ],
)
def test_what_differs_is_never_linked(one: str, other: str) -> None:
    assert not may_link(one, other)


@SETTINGS
@given(ANY)
def test_any_text_has_them(text: str) -> None:
    assert hard_tokens(text) == hard_tokens(text)
    assert may_link(text, text)
