"""What is old goes, and whatever a restore needs stays."""

from hypothesis import given
from hypothesis import strategies as st

from streams.core.time import HOUR
from streams.snapshots.names import Place, Position, Segment
from streams.snapshots.old import Kept, KeptSegment, Old, old
from streams.snapshots.segments import chain

LOG = Place("g", "log", 0)
NOW = 1_000 * HOUR


def kept(offset: int, hours_ago: int) -> Kept:
    return Kept(Position(0, offset), NOW - hours_ago * HOUR, Position(0, 10 * offset))


def segment(first: int, end: int, hours_ago: int) -> KeptSegment:
    return KeptSegment(Segment(LOG, 0, first, end), NOW - hours_ago * HOUR)


def what_goes(snapshots: list[Kept], segments: list[KeptSegment], hours: int) -> Old:
    return old(snapshots, segments, NOW - hours * HOUR, now=NOW)


def test_the_newest_snapshot_stays_however_old() -> None:
    only = [kept(5, 900)]
    assert what_goes(only, [segment(0, 50, 900), segment(50, 60, 900)], 1) == Old(
        (), (Segment(LOG, 0, 0, 50),)
    )


def test_one_that_an_upload_may_rest_on_stays() -> None:
    assert what_goes([kept(5, 900), kept(6, 1)], [], 100).snapshots == ()
    assert what_goes([kept(5, 900), kept(6, 2)], [], 100).snapshots == (Position(0, 5),)


def test_without_a_snapshot_all_of_the_log_is_needed() -> None:
    assert what_goes([], [segment(0, 50, 900)], 1) == Old((), ())


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 50)), unique_by=lambda one: one[0]),
    st.lists(st.integers(1, 40), max_size=10),
    st.integers(1, 50),
)
def test_whatever_stays_can_be_gone_on_from(
    snapshots: list[tuple[int, int]], lengths: list[int], hours: int
) -> None:
    all_snapshots = [kept(offset, age) for offset, age in snapshots]
    ends = [sum(lengths[: n + 1]) for n in range(len(lengths))]
    segments = [
        segment(end - length, end, 40 - end // 10)
        for end, length in zip(ends, lengths, strict=True)
    ]
    gone = what_goes(all_snapshots, segments, hours)
    before = NOW - hours * HOUR
    assert all(one.modified < before for one in all_snapshots if one.position in gone.snapshots)
    stay = [one for one in all_snapshots if one.position not in gone.snapshots]
    left = [each.segment for each in segments if each.segment not in gone.segments]
    assert bool(stay) == bool(all_snapshots)
    for one in stay:
        end = ends[-1] if ends else 0
        found = chain(left, one.folded)
        assert max((each.end for each in found), default=one.folded.offset) >= end
