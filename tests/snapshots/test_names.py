"""Names as CONTRACT.md section 7 has them, and the order of snapshots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.snapshots.names import Layout, Place, Position

PLACE = Place("streams", "tenant.log.v1", 3)
names = st.text(min_size=1, max_size=12)
numbers = st.integers(min_value=0, max_value=2**63 - 1)


def test_names_are_those_of_the_contract() -> None:
    layout = Layout.of("agent-state")
    assert layout.manifest(PLACE, Position(0, 1200)) == (
        "agent-state/streams/tenant.log.v1-3/0-1200.json"
    )
    assert layout.object("ab" * 32) == "agent-state/objects/" + "ab" * 32


@pytest.mark.parametrize("prefix", ["", "/", "a/b", "/a//b/"])
def test_a_prefix_may_have_any_slashes_or_be_empty(prefix: str) -> None:
    layout = Layout.of(prefix)
    name = layout.manifest(PLACE, Position(1, 2))
    assert "//" not in name
    assert not name.startswith("/")
    assert layout.read_manifest(name) == (PLACE, Position(1, 2))
    assert layout.read_object(layout.object("0f" * 32)) == "0f" * 32


@given(names, names, numbers, numbers, numbers)
def test_every_name_can_be_read_back(
    group: str, topic: str, partition: int, incarnation: int, offset: int
) -> None:
    layout, place = Layout.of("agent-state"), Place(group, topic, partition)
    name = layout.manifest(place, Position(incarnation, offset))
    assert layout.read_manifest(name) == (place, Position(incarnation, offset))
    assert not {"", ".", ".."} & set(name.split("/"))
    assert layout.read_object(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "agent-state/streams/t-0/1-2.json.tmp",
        "agent-state/streams/t-0/01-2.json",
        "agent-state/streams/t-0/-1-2.json",
        "agent-state/streams/t/1-2.json",
        "agent-state/streams/t-0/deeper/1-2.json",
        "agent-state/objects/" + "A" * 64,
        "agent-state/objects/" + "a" * 63,
        "elsewhere/objects/" + "a" * 64,
        "elsewhere/streams/t-0/1-2.json",
    ],
)
def test_other_names_are_nothing(name: str) -> None:
    layout = Layout.of("agent-state")
    assert layout.read_manifest(name) is None
    assert layout.read_object(name) is None


def test_a_zombies_snapshot_never_comes_last() -> None:
    """What counts is where in the changelog it stands, not when it was written or how it sorts."""
    assert Position(0, 999) < Position(0, 1000) < Position(1, 0)
