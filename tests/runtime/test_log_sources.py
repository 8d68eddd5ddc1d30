"""From where which part of a log is read."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from hypothesis import given
from hypothesis import strategies as st

from streams.adapters.object_folder import FolderStore
from streams.core.errors import Failed
from streams.runtime import clients
from streams.runtime.archive import begin_after
from streams.runtime.log_sources import ArchivedLog, LogGap, LogSource, Span, kafka_log, plan
from streams.runtime.snapshots import Bin
from streams.settings import Settings
from streams.snapshots.names import Layout, Place, Position, Segment
from streams.snapshots.segments import LogRecord, seal

from .replaying import FakeLog
from .stores import PARTITION, job

ARCHIVE, KAFKA = FakeLog([]), FakeLog([])


def planned(
    after: tuple[int, int] | None,
    archive: Sequence[Span],
    kafka: Sequence[Span],
    last: int | None = None,
) -> list[tuple[LogSource | None, int, int, int]]:
    steps = plan(after, [(ARCHIVE, archive), (KAFKA, kafka)], last=last)
    return [(s.source, s.span.incarnation, s.span.begin, s.span.end) for s in steps]


def test_the_archive_is_read_first_and_kafka_goes_on() -> None:
    archive, kafka = [Span(0, 0, 50)], [Span(0, 20, 80)]
    assert planned(None, archive, kafka) == [(ARCHIVE, 0, 0, 50), (KAFKA, 0, 50, 80)]
    assert planned((0, 39), archive, kafka) == [(ARCHIVE, 0, 40, 50), (KAFKA, 0, 50, 80)]
    assert planned((0, 59), archive, kafka) == [(KAFKA, 0, 60, 80)]
    assert planned((0, 79), archive, kafka) == []
    assert planned(None, archive, kafka, last=49) == [(ARCHIVE, 0, 0, 50)]
    assert planned(None, archive, kafka, last=50) == [(ARCHIVE, 0, 0, 50), (KAFKA, 0, 50, 51)]


def test_what_nobody_has_is_a_step_without_a_source() -> None:
    assert planned(None, [], [Span(0, 20, 80)]) == [(None, 0, 0, 20), (KAFKA, 0, 20, 80)]
    assert planned(None, [Span(0, 0, 10)], [Span(0, 20, 20)]) == [
        (ARCHIVE, 0, 0, 10),
        (None, 0, 10, 20),
    ]
    assert planned((0, 19), [], [Span(0, 20, 20)]) == []
    assert planned((0, 9), [Span(0, 30, 40)], [Span(0, 60, 70)], last=35) == [
        (None, 0, 10, 30),
        (ARCHIVE, 0, 30, 36),
    ]


def test_what_was_before_the_first_incarnation_that_is_left_is_missed() -> None:
    assert planned(None, [], [Span(1, 0, 9)])[0][0] is None
    assert planned((1, 3), [], [Span(1, 0, 9)]) == [(KAFKA, 1, 4, 9)]


async def test_the_archive_ends_where_a_second_cluster_has_begun(tmp_path: Path) -> None:
    """What the first one archived later is void; what it should have archived is missed."""
    place = Place("g", "log", 0)
    bucket = Bin(FolderStore(tmp_path), Layout.of("p"))
    for first, end in ((0, 50), (50, 90)):
        segment = Segment(place, 0, first, end)
        records = [LogRecord(offset, offset, b"t", b"v") for offset in range(first, end)]
        bucket.store.put_if_absent(bucket.layout.segment(segment), seal(segment, records, "0"))
    archived = ArchivedLog(bucket, "g")
    tp = TopicPartition("log", 0)
    await begin_after(bucket, place, 1, Position(0, 60))
    steps = plan(None, [(archived, await archived.spans(tp))])
    assert [(s.span.begin, s.span.end) for s in steps] == [(0, 60)]
    read = [r.offset async for batch in archived.read(tp, steps[0].span) for r in batch]
    assert read[:60] == list(range(60))
    bucket.store.delete([bucket.layout.segment(Segment(place, 0, 50, 90))])
    steps = plan(None, [(archived, await archived.spans(tp))])
    assert [(s.source, s.span.begin, s.span.end) for s in steps] == [
        (archived, 0, 50),
        (None, 50, 60),
    ]


def test_a_log_that_was_made_anew_goes_on_at_its_beginning() -> None:
    archive, kafka = [Span(0, 0, 50), Span(1, 0, 5)], [Span(1, 0, 9)]
    whole = [(ARCHIVE, 0, 0, 50), (ARCHIVE, 1, 0, 5), (KAFKA, 1, 5, 9)]
    assert planned(None, archive, kafka) == whole
    assert planned((0, 49), archive, kafka) == whole[1:]
    assert planned((1, 7), archive, kafka) == [(KAFKA, 1, 8, 9)]
    assert planned((0, 9), [], [Span(2, 3, 9)]) == [(None, 2, 0, 3), (KAFKA, 2, 3, 9)]


async def test_a_kafka_without_the_logs_is_told_at_once(settings: Settings) -> None:
    with pytest.raises(Failed, match=r"has no topic .*tenant"):
        async with kafka_log(settings):
            pass


async def test_kafka_has_its_log_from_its_begin_to_its_end(installed: Settings) -> None:
    tp = TopicPartition(job(installed).topic, PARTITION)
    producer = clients.plain_producer(installed.kafka)
    await producer.start()
    for number in range(3):
        await producer.send_and_wait(tp.topic, b"%d" % number, b"t1", PARTITION)
    await producer.stop()
    async with kafka_log(installed) as kafka:
        (span,) = await kafka.spans(tp)
        assert span == Span(0, 0, 3)
        rest = Span(0, 1, 3)
        found = [r.value async for records in kafka.read(tp, rest) for r in records]
        assert found == [b"1", b"2"]
        await kafka.inquiry.admin.delete_records({tp: RecordsToDelete(before_offset=2)})
        assert await kafka.spans(tp) == [Span(0, 2, 3)]
        with pytest.raises(LogGap, match="was deleted up to its retention"):
            await anext(kafka.read(tp, rest))


async def test_an_archive_has_spans_between_its_holes(tmp_path: Path) -> None:
    into = Bin(FolderStore(tmp_path), Layout.of("s"))
    place = Place("g", "log", 0)
    for first, end in ((0, 10), (5, 30), (40, 50)):
        segment = Segment(place, 0, first, end)
        records = [LogRecord(at, at, None, b"%d" % at) for at in range(first, end)]
        into.store.put(into.layout.segment(segment), seal(segment, records, "1"))
    archived, tp = ArchivedLog(into, "g"), TopicPartition("log", 0)
    assert await archived.spans(tp) == [Span(0, 0, 30), Span(0, 40, 50)]
    assert await archived.spans(TopicPartition("log", 1)) == []
    for begin, end in ((3, 30), (40, 45)):
        found = [r.offset async for some in archived.read(tp, Span(0, begin, end)) for r in some]
        assert found[: end - begin] == list(range(begin, end))


SPANS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 12), st.integers(0, 8)).map(
        lambda three: Span(three[0], three[1], three[1] + three[2])
    ),
    max_size=5,
)


@given(st.one_of(st.none(), st.tuples(st.integers(0, 1), st.integers(-1, 20))), SPANS, SPANS)
def test_every_offset_that_somebody_has_is_read_once_and_in_order(
    after: tuple[int, int] | None, archive: list[Span], kafka: list[Span]
) -> None:
    steps = planned(after, archive, kafka)
    read = [(n, at) for source, n, begin, end in steps if source for at in range(begin, end)]
    held = {
        (span.incarnation, at) for span in archive + kafka for at in range(span.begin, span.end)
    }
    assert read == sorted(at for at in held if after is None or at > after)
    for source, n, begin, end in steps:
        assert begin < end
        spans = archive if source is ARCHIVE else kafka
        if source is None:
            assert not {(n, at) for at in range(begin, end)} & held
        else:
            assert any(s.incarnation == n and s.begin <= begin and end <= s.end for s in spans)
