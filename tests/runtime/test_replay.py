"""A replay, however it is cut and wherever it begins, is a fold from zero."""

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import count, pairwise
from pathlib import Path

import msgspec
import pytest
from agents.whole_log import Raw, whole_log
from aiokafka import TopicPartition
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streams.adapters.object_folder import FolderStore
from streams.core import log
from streams.core.errors import Misuse, PartitionRed
from streams.core.log import DEFAULT_CONFIG, VERSION, Config, Record, Tick
from streams.core.time import format_time
from streams.runtime import positions
from streams.runtime.fold_jobs import control_job, fold_job
from streams.runtime.job import Job
from streams.runtime.log_sources import LogGap, LogSource, Span
from streams.runtime.replay import Asked, advance, open_folding, replay, steps_from
from streams.runtime.replayed import read_replayed
from streams.runtime.snapshots import Bin, Hashes, take_checkpoint, upload
from streams.runtime.view import open_database, scan_raw
from streams.settings import Settings
from streams.snapshots.manifest import Manifest
from streams.snapshots.names import Layout
from tests.snapshots.manifests import manifest

from .replaying import FakeLog, naive
from .stores import event, job

SETTINGS = Settings(partitions=1)
TP = TopicPartition(job(SETTINGS).topic, 0)


def held(records: Sequence[Raw], begin: int = 0, end: int | None = None) -> FakeLog:
    """A source that has part of a log."""
    end = len(records) if end is None else end
    return FakeLog([(Span(0, begin, end), [r for r in records if begin <= r.offset < end])])


def rows(folder: Path) -> dict[bytes, bytes]:
    db = open_database(folder)
    try:
        return dict(scan_raw(db, b"", start=positions.LOGICAL_START))
    finally:
        db.close()


async def go_on(
    of: Job, folder: Path, sources: Sequence[LogSource], until: int | None = None
) -> int:
    """Fold on what the sources have, and close the database again."""
    db = open_database(folder)
    try:
        steps = await steps_from(positions.read_source(db), TP, sources)
        return await advance(open_folding(of, 0, db), db, TP, steps, until=until)
    finally:
        db.close()


CONFIGS = [msgspec.structs.replace(DEFAULT_CONFIG, dedupe_hours=hours) for hours in (1, 2)]
# What a record is, and how many minutes after the one before.
KINDS = st.one_of(st.integers(0, 9), st.just("again"), st.just("tick"), st.sampled_from(CONFIGS))
STEPS = st.lists(st.tuples(KINDS, st.sampled_from((0, 0, 20, 70, -1))), max_size=40)


def made(steps: Sequence[tuple[int | str | Config, int]]) -> list[Raw]:
    """A log of events (ids from few), repeats, ticks, and changed settings."""
    records: list[Raw] = []
    now = 10**6
    for kind, minutes in steps:
        now += minutes * 60_000
        if kind == "again" and records:
            value = records[len(records) // 2].value
        elif isinstance(kind, int):
            value = log.encode(event(len(records), str(kind)))
        else:
            body = kind if isinstance(kind, Config) else Tick()
            value = log.encode(Record(VERSION, "", None, "", "", 0, body))
        records.append(Raw(len(records), now, value))
    return records


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    numbers = count()
    folder = tmp_path_factory.mktemp("replays")
    return lambda: folder / str(next(numbers))


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS, cuts=st.lists(st.integers(0, 40), max_size=3), at=st.integers(0, 40))
def test_any_split_is_a_replay_from_zero(
    folders: Callable[[], Path], steps: list[tuple[int | str, int]], cuts: list[int], at: int
) -> None:
    records, of = made(steps), job(SETTINGS)
    edges = [0, *sorted(min(cut, len(records)) for cut in cuts), len(records)]
    # Each source has a part, and a bit of what the one before has.
    sources = [held(records, max(0, begin - 3), end) for begin, end in pairwise(edges)]

    async def replays() -> tuple[Path, Path]:
        whole, split = folders(), folders()
        assert await go_on(of, whole, sources) == len(records)
        await go_on(of, split, [held(records, 0, min(at, len(records)))])
        await go_on(of, split, sources)
        return whole, split

    expected = naive(of, records)
    assert [rows(folder) for folder in asyncio.run(replays())] == [expected, expected]


@hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS, until=st.integers(10**6 - 1, 10**6 + 10**7))
def test_until_is_before_the_first_later_record(
    folders: Callable[[], Path], steps: list[tuple[int | str, int]], until: int
) -> None:
    records, of, folder = made(steps), job(SETTINGS), folders()
    later = (r.offset for r in records if r.timestamp > until)
    end = next(later, len(records))
    done = asyncio.run(go_on(of, folder, [held(records)], until * 1000))
    assert (done, rows(folder)) == (end, naive(of, records[:end]))


async def test_the_whole_log_of_a_tenant_with_the_real_folds(tmp_path: Path) -> None:
    records, of = whole_log(1, 600), fold_job(SETTINGS)
    await go_on(of, tmp_path / "a", [held(records)])
    await go_on(of, tmp_path / "b", [held(records, 0, 333)])
    await go_on(of, tmp_path / "b", [held(records, 300)])
    assert rows(tmp_path / "a") == rows(tmp_path / "b") == naive(of, records)


async def test_a_gap_is_an_error_where_it_is_reached(tmp_path: Path) -> None:
    records, of = made([(n % 10, 1) for n in range(20)]), job(SETTINGS)
    sources = [held(records, 0, 8), held(records, 12)]
    with pytest.raises(LogGap, match=r"log\.v1\[0\]: offsets 8 to 11 are gone from Kafka"):
        await go_on(of, tmp_path / "a", sources)
    assert await go_on(of, tmp_path / "b", sources, records[5].timestamp * 1000) == 6


async def test_a_log_that_was_made_anew_goes_on(tmp_path: Path) -> None:
    first, second = (made([(n % 10, 1) for n in range(size)]) for size in (9, 5))
    two = FakeLog([(Span(0, 0, 9), first), (Span(1, 0, 5), second)])
    db = open_database(tmp_path / "a")
    folding = open_folding(job(SETTINGS), 0, db)
    assert await advance(folding, db, TP, await steps_from(None, TP, [two])) == 14
    source = positions.read_source(db)
    assert source is not None
    assert (source.incarnation, source.offset) == (1, 4)
    assert source.log_time == first[-1].timestamp * 1000
    db.close()


async def test_what_can_not_be_folded_is_named(tmp_path: Path) -> None:
    records = made([(1, 1), (2, 1)])
    records.append(Raw(2, records[-1].timestamp, b"\xc1"))
    with pytest.raises(PartitionRed, match=r"log\.v1/0/2: a record of the log"):
        await go_on(job(SETTINGS), tmp_path / "a", [held(records)])
    assert rows(tmp_path / "a") == naive(job(SETTINGS), records[:2])


# -- all partitions, in a folder -----------------------------------------------------------------


class Logs:
    """A tenant log of two partitions, and control's."""

    def __init__(self, seed: int = 5, size: int = 150) -> None:
        self.tenant = [whole_log(seed, size), whole_log(seed + 1, size)]
        self.control = [
            Raw(n, 1000 + n, log.encode(Record(VERSION, "", None, "", "", 0, body)))
            for n, body in enumerate((CONFIGS[0], Tick()))
        ]
        self.name = "lists"

    def of(self, tp: TopicPartition) -> list[Raw]:
        return self.control if "control" in tp.topic else self.tenant[tp.partition]

    async def spans(self, tp: TopicPartition) -> list[Span]:
        return await held(self.of(tp)).spans(tp)

    def read(self, tp: TopicPartition, span: Span) -> object:
        return held(self.of(tp)).read(tp, span)


def asked(logs: Logs, snapshots: Bin | None = None, **given: object) -> Asked:
    return Asked(
        settings=Settings(partitions=2),
        sources=[logs],  # type: ignore[list-item]
        snapshots=snapshots,
        partitions=2,
        **given,  # type: ignore[arg-type]
    )


async def uploaded(into: Bin, checkpoint: Path, about: Manifest) -> None:
    async def at_once(seconds: float) -> None:
        pass

    def now() -> int:
        return time.time_ns() // 1000

    await upload(into, checkpoint, about, hashes=Hashes(), now=now, sleep=at_once)


async def snapshot(logs: Logs, into: Bin, at: int, folder: Path, **changed: object) -> Manifest:
    """A snapshot of the tenant log's partition 0, ``at`` records into it."""
    of = fold_job(Settings(partitions=2))
    await go_on(of, folder / "live", [held(logs.tenant[0], 0, at)])
    db = open_database(folder / "live")
    source = positions.read_source(db)
    assert source is not None
    take_checkpoint(db, folder / "checkpoint")
    db.close()
    about = manifest(
        topic=of.topic,
        partition=0,
        changelog_offset=at,
        source_offset=source.offset,
        log_time=source.log_time,
        fold_version=VERSION,
        **changed,
    )
    await uploaded(into, folder / "checkpoint", about)
    return about


async def test_a_folder_says_what_it_is(tmp_path: Path) -> None:
    logs, told = Logs(), list[tuple[int, int]]()
    folder = tmp_path / "was"
    found = await replay(asked(logs, advanced=lambda *done: told.append(done)), folder)
    assert read_replayed(folder) == found
    assert [(p.folder, p.log, p.offset, p.begun_from, p.records) for p in found.partitions] == [
        ("tenant.log.v1-0", "tenant", len(logs.tenant[0]) - 1, "zero", len(logs.tenant[0])),
        ("tenant.log.v1-1", "tenant", len(logs.tenant[1]) - 1, "zero", len(logs.tenant[1])),
        ("tenant.control.v1-0", "control", 1, "zero", 2),
    ]
    assert (found.until, len(found.tenants)) == (None, 2)
    total = sum(map(len, (*logs.tenant, logs.control)))
    assert told == sorted(told)
    assert told[-1] == (total, total)
    for partition, of in (*enumerate(logs.tenant),):
        assert rows(folder / f"tenant.log.v1-{partition}") == naive(fold_job(SETTINGS), of)
    assert rows(folder / "tenant.control.v1-0") == naive(control_job(SETTINGS), logs.control)


async def test_the_newest_snapshot_that_is_early_enough_is_begun_from(tmp_path: Path) -> None:
    logs, told = Logs(), list[str]()
    into = Bin(FolderStore(tmp_path / "bucket"), Layout.of("s"))
    for at in (40, 90):
        await snapshot(logs, into, at, tmp_path)
    middle = 60
    until = max(raw.timestamp for raw in logs.tenant[0][:middle]) * 1000
    found = await replay(asked(logs, into, until=until, told=told.append), tmp_path / "was")
    first = found.partitions[0]
    assert first.begun_from == "s/streams/tenant.log.v1-0/0-40.json"
    assert (first.log_time, found.until) == (format_time(until), format_time(until))
    assert first.records == first.offset + 1 - 40
    assert len(told) == 1
    assert "0-90.json: it is of " in told[0]
    expected = naive(fold_job(SETTINGS), logs.tenant[0][: first.offset + 1])
    assert rows(tmp_path / "was" / first.folder) == expected
    db = open_database(tmp_path / "was" / first.folder)
    assert positions.read_number(db, positions.CHANGELOG_KEY) is None
    db.close()


async def test_a_snapshot_of_other_folds_is_passed_over(tmp_path: Path) -> None:
    logs, told = Logs(), list[str]()
    into = Bin(FolderStore(tmp_path / "bucket"), Layout.of("s"))
    about = await snapshot(logs, into, 40, tmp_path)
    older = msgspec.structs.replace(about, fold_version=VERSION - 1, changelog_offset=50)
    await uploaded(into, tmp_path / "checkpoint", older)
    found = await replay(asked(logs, into, told=told.append), tmp_path / "was")
    assert found.partitions[0].begun_from.endswith("0-40.json")
    assert told == [
        "tenant.log.v1[0]: not from s/streams/tenant.log.v1-0/0-50.json: "
        f"its folds ({VERSION - 1}) are older than this code's"
    ]


def test_a_folder_that_is_no_replay_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"no replay\.json"):
        read_replayed(tmp_path)
    (tmp_path / "replay.json").write_bytes(b'{"format": 1}')
    with pytest.raises(Misuse, match="can't be read"):
        read_replayed(tmp_path)
    (tmp_path / "replay.json").write_bytes(
        b'{"format": 99, "code_version": "7", "until": null, "partitions": []}'
    )
    with pytest.raises(Misuse, match="later version"):
        read_replayed(tmp_path)
