"""Side by side for one step: a made-up next version and this one on one log."""

import math
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka.structs import TopicPartition
from msgspec import structs
from rocksdict import Rdict, WriteBatch

from streams.core.errors import PartitionRed
from streams.core.fold import Entry, Output, View
from streams.core.log import DEFAULT_CONFIG, VERSION, Config, Record
from streams.core.rows import tenant_key, version_of
from streams.core.schema import SCHEMAS, UNSAID, later, number_of
from streams.runtime import positions
from streams.runtime.folding import Folding
from streams.runtime.job import Job
from streams.runtime.recovery import load_fences
from streams.runtime.view import DatabaseReader, open_database
from streams.settings import Settings

from . import next_version, stores
from .stores import TENANT, chunk, event
from .workers import Folding as Worker
from .workers import alone, append, folding

OLD, NEW = (make(Settings(partitions=1)) for make in (stores.job, next_version.job))
KEY = tenant_key(stores.Count, TENANT)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Rdict]:
    db = open_database(tmp_path / "state")
    yield db
    db.close()


def finalize(schema: str = next_version.SCHEMA) -> Record:
    config: Config = structs.replace(DEFAULT_CONFIG, schema=schema)
    return Record(VERSION, "", None, "", "", 0, config)


def fold(job: Job, db: Rdict, first: int, *records: Record) -> None:
    """Take over, fold, write."""
    source = positions.read_source(db) or positions.NOTHING
    config = positions.read_config(db) or DEFAULT_CONFIG
    one = Folding(job, 0, db, source, load_fences(db), config)
    work = one.take(chunk(first, records).records)
    while work.left:
        one.fold(work, math.inf)
        rows, _ = one.rows()
        batch = WriteBatch(raw_mode=True)
        one.write(batch, rows)
        db.write(batch)
        one.committed()


def everything(db: Rdict) -> dict[bytes, bytes]:
    return dict(db.items())


def version(db: Rdict) -> int:
    return version_of(db[KEY])


def test_a_new_worker_writes_what_an_old_one_reads_until_it_is_finalized(db: Rdict) -> None:
    fold(OLD, db, 0, event(0))
    fold(NEW, db, 1, event(1))
    assert version(db) == stores.Count.version
    fold(OLD, db, 2, event(2))
    assert DatabaseReader(db).get(stores.Count, KEY) == stores.Count(3)
    fold(NEW, db, 3, event(3), finalize(), event(5))
    assert version(db) == next_version.NUMBER
    assert DatabaseReader(db).get(next_version.Count, KEY) == next_version.Count(5, "5")


def test_turns_of_both_leave_what_one_alone_does(tmp_path: Path) -> None:
    states = []
    for name, jobs in {"old": (OLD, OLD), "new": (NEW, NEW), "both": (NEW, OLD)}.items():
        db = open_database(tmp_path / name)
        for number in range(4):
            fold(jobs[number % 2], db, number, event(number))
        states.append(everything(db))
        db.close()
    assert states[0] == states[1] == states[2]


def test_an_old_worker_stops_before_a_newer_config_record(db: Rdict) -> None:
    fold(OLD, db, 0, event(0))
    before = everything(db)
    with pytest.raises(PartitionRed, match=r"log\.v1/0/2: the state is of schema 2\.2\.0, and"):
        fold(OLD, db, 1, event(1), finalize(), event(3))
    assert everything(db) == before


def test_an_old_worker_opens_no_state_that_is_finalized(db: Rdict) -> None:
    fold(NEW, db, 0, finalize(), event(1))
    with pytest.raises(PartitionRed, match=r"knows no newer one than 2\.1\.0: start a newer"):
        fold(OLD, db, 2, event(2))


def test_an_old_worker_stops_at_a_newer_row(db: Rdict) -> None:
    fold(NEW, db, 0, finalize(), event(1))
    db.put(positions.CONFIG_KEY, positions.encode(DEFAULT_CONFIG))
    before = everything(db)
    with pytest.raises(PartitionRed, match="a Count row is newer than this code"):
        fold(OLD, db, 2, event(2))
    assert everything(db) == before


def test_a_schema_never_goes_back(db: Rdict) -> None:
    fold(NEW, db, 0, finalize(), finalize("2.1.0"), event(2))
    config = positions.read_config(db)
    assert config is not None
    assert (config.schema, version(db)) == (next_version.SCHEMA, next_version.NUMBER)


def test_a_fold_that_says_what_the_state_can_not_is_stopped(db: Rdict) -> None:
    def careless(view: View, entry: Entry) -> list[Output]:
        view.put(KEY, next_version.Count(1, entry.record.id))
        return []

    with pytest.raises(PartitionRed, match="finalize first"):
        fold(structs.replace(NEW, fold=careless), db, 0, event(0))
    assert everything(db) == {}


def counted(worker: Worker) -> int:
    store = worker.owners[0].store if worker.owners else None
    row = None if store is None else store.reader.get(next_version.Count, KEY)
    return -1 if row is None else row.number


def stored(worker: Worker, key: bytes = KEY) -> int:
    store = worker.owners[0].store
    assert store is not None
    return version_of(store.db[key])


@pytest.mark.deep
async def test_a_worker_of_before_is_stopped_by_the_changelog_alone(
    installed: Settings, tmp_path: Path, until: Callable[..., Awaitable[None]]
) -> None:
    settings = alone(installed)
    old, new = stores.job(settings), next_version.job(settings)
    place = TopicPartition(old.changelog, 0)

    async with folding(settings, tmp_path / "old", old, DEFAULT_CONFIG) as worker:
        await append(settings, [structs.replace(event(99), tenant="t2", origin=None)])
        await append(settings, map(event, range(3)))
        await until(lambda: counted(worker) == 3)
    async with folding(settings, tmp_path / "new", new, DEFAULT_CONFIG) as worker:
        await append(settings, map(event, range(3, 5)))
        await until(lambda: counted(worker) == 5)
        assert stored(worker) == stores.Count.version
        await worker.owners[0].finalize()
        await append(settings, map(event, range(5, 7)))
        await until(lambda: counted(worker) == 7)
        assert stored(worker) == next_version.NUMBER
    async with stores.asking(settings.kafka) as inquiry:
        end = await inquiry.end(place)
        async with folding(settings, tmp_path / "old", old, DEFAULT_CONFIG) as worker:
            await until(lambda: worker.states() == {0: "red"})
            assert "schema 2.2.0" in (worker.owners[0].error or "")
        # It fenced the owner before it, as whoever takes over; it wrote nothing.
        assert await inquiry.end(place) == end
    async with folding(settings, tmp_path / "third", new, DEFAULT_CONFIG) as worker:
        await until(lambda: counted(worker) == 7)
        assert worker.owners[0].recovered.source == "changelog"
        # Nobody counted for this tenant since: it was rewritten, and that is in the changelog.
        assert stored(worker, tenant_key(stores.Count, "t2")) == next_version.NUMBER


@pytest.mark.deep
async def test_where_nobody_was_before_the_newest_schema_is_written(
    installed: Settings, tmp_path: Path, until: Callable[..., Awaitable[None]]
) -> None:
    settings = alone(installed)
    new = next_version.job(settings)
    async with folding(settings, tmp_path, new, DEFAULT_CONFIG) as worker:
        await until(worker.running)
        await append(settings, [event(0)])
        await until(lambda: counted(worker) == 1)
        assert stored(worker) == next_version.NUMBER


def test_a_state_is_of_todays_schema_until_its_log_says_another() -> None:
    assert DEFAULT_CONFIG.schema == UNSAID
    assert UNSAID in SCHEMAS
    assert later("2.1.0", "1.1.0") == later("1.1.0", "2.1.0") == "2.1.0"
    assert [number_of(schema) for schema in SCHEMAS] == [1, 2, 3, 4]
