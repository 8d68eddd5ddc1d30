"""Segments of a log: what is sealed comes back, and what is to be read is read once, in order."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.snapshots.names import Layout, Place, Position, Segment
from streams.snapshots.segments import (
    BadSegment,
    Gap,
    LogRecord,
    archived_to,
    chain,
    rewritten,
    seal,
    unseal,
)

PLACE = Place("streams", "tenant.log.v1", 3)
RECORDS = [
    LogRecord(4, 1000, b"a", b"one", (("traceparent", b"00"),)),
    LogRecord(5, 1001, b"", None),
    LogRecord(7, 1002, None, b"\x00" * 100),
]
SEGMENT = Segment(PLACE, 1, 4, 9)


def test_what_is_sealed_comes_back() -> None:
    head, records = unseal(SEGMENT, seal(SEGMENT, RECORDS, "0.1"))
    assert records == RECORDS
    assert (head.records, head.removed, head.first_time, head.last_time) == (3, 0, 1000, 1002)


def test_a_segment_may_hold_nothing_but_marks() -> None:
    head, records = unseal(SEGMENT, seal(SEGMENT, [], "0.1"))
    assert records == []
    assert (head.first_time, head.last_time) == (0, 0)


@given(st.data())
def test_damage_is_noticed(data: st.DataObject) -> None:
    whole = seal(SEGMENT, RECORDS, "0.1")
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[at] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(flipped), whole[:at]):
        try:
            found = unseal(SEGMENT, damaged)
        except BadSegment:
            continue
        # White space of JSON may be any.
        assert found == unseal(SEGMENT, whole)


def test_another_segment_under_this_name_is_noticed() -> None:
    other = Segment(PLACE, 1, 4, 10)
    with pytest.raises(BadSegment, match="name"):
        unseal(other, seal(SEGMENT, RECORDS, "0.1"))


def taken_out(segment: Segment, data: bytes, offset: int) -> tuple[Segment, bytes]:
    made = rewritten(segment, data, lambda r: None if r.offset == offset else r, "0.2")
    assert made is not None
    return made


def test_records_are_taken_out_and_offsets_stay() -> None:
    successor, data = taken_out(SEGMENT, seal(SEGMENT, RECORDS, "0.1"), 5)
    assert successor == Segment(PLACE, 1, 4, 9, 1)
    head, records = unseal(successor, data)
    assert [record.offset for record in records] == [4, 7]
    assert (head.records, head.removed) == (2, 1)
    again, data = taken_out(successor, data, 4)
    assert unseal(again, data)[0].removed == 2


def test_a_record_may_say_less() -> None:
    def say_less(record: LogRecord) -> LogRecord:
        return msgspec.structs.replace(record, value=b"-") if record.offset == 5 else record

    made = rewritten(SEGMENT, seal(SEGMENT, RECORDS, "0.1"), say_less, "0.2")
    assert made is not None
    head, records = unseal(*made)
    assert [(record.offset, record.value == b"-") for record in records] == [
        *((4, False), (5, True), (7, False))
    ]
    assert (head.records, head.removed) == (3, 1)


def test_nothing_is_written_where_all_stays() -> None:
    assert rewritten(SEGMENT, seal(SEGMENT, RECORDS, "0.1"), lambda record: record, "0.2") is None


def part(first: int, end: int, generation: int = 0, incarnation: int = 0) -> Segment:
    return Segment(PLACE, incarnation, first, end, generation)


@pytest.mark.parametrize(
    ("segments", "start", "expected"),
    [
        ([], (0, 0), []),
        ([part(0, 10), part(10, 20)], (0, 0), [part(0, 10), part(10, 20)]),
        ([part(0, 10), part(10, 20)], (0, 15), [part(10, 20)]),
        ([part(0, 10)], (0, 10), []),
        # The last generation alone.
        ([part(0, 10), part(0, 10, 2), part(0, 10, 1)], (0, 0), [part(0, 10, 2)]),
        # A zombie's beside its successor's.
        (
            [part(0, 10), part(10, 14), part(10, 30), part(14, 20)],
            (0, 0),
            [part(0, 10), part(10, 30)],
        ),
        (
            [part(0, 10), part(5, 30), part(20, 40)],
            (0, 3),
            [part(0, 10), part(5, 30), part(20, 40)],
        ),
        # A log that was made anew.
        ([part(0, 10), part(0, 5, 0, 1)], (0, 0), [part(0, 10), part(0, 5, 0, 1)]),
        ([part(0, 10), part(0, 5, 0, 1)], (1, 2), [part(0, 5, 0, 1)]),
    ],
)
def test_the_chain_goes_on_where_the_last_one_ends(
    segments: list[Segment], start: tuple[int, int], expected: list[Segment]
) -> None:
    assert chain(segments, Position(*start)) == expected


@pytest.mark.parametrize(
    ("segments", "start", "missing"),
    [
        ([part(5, 10)], (0, 0), "0 to 4"),
        ([part(0, 10), part(12, 20)], (0, 0), "10 to 11"),
        ([part(0, 10), part(3, 5, 0, 1)], (0, 0), "0 to 2 of incarnation 1"),
    ],
)
def test_a_gap_is_told(segments: list[Segment], start: tuple[int, int], missing: str) -> None:
    with pytest.raises(Gap, match=missing):
        chain(segments, Position(*start))


ranges = st.tuples(st.integers(0, 30), st.integers(1, 8)).map(lambda at: part(at[0], sum(at)))


@given(st.lists(ranges, max_size=12), st.integers(0, 20))
def test_the_chain_holds_each_offset_that_can_be_reached(found: list[Segment], start: int) -> None:
    """Against sets of offsets: each read part begins where the one before ends, or earlier."""
    there = {offset for each in found for offset in range(each.first, each.end)}
    reached = start
    while reached in there:
        reached += 1
    try:
        read = chain(found, Position(0, start))
    except Gap:
        assert any(offset > reached for offset in there)
        return
    assert not any(offset > reached for offset in there)
    at = start
    for each in read:
        assert each.first <= at < each.end
        at = each.end
    assert at == reached


def test_where_the_archive_ends() -> None:
    found = [part(0, 10), part(4, 8), part(0, 3, 0, 1)]
    assert archived_to(found, 0) == 10
    assert archived_to(found, 1) == 3
    assert archived_to(found, 2) is None


@given(
    st.text(min_size=1, max_size=8),
    st.from_regex(r"[a-z][a-z.-]{0,8}", fullmatch=True),
    st.tuples(*[st.integers(0, 2**53)] * 5),
)
def test_names_say_what_they_are(group: str, topic: str, numbers: tuple[int, ...]) -> None:
    layout = Layout.of("p")
    segment = Segment(Place(group, topic, numbers[0]), *numbers[1:])
    name = layout.segment(segment)
    assert layout.read_segment(name) == segment
    assert layout.read_manifest(name) is None
    assert layout.read_object(name) is None
