"""What a store and a replay share: records to rows, without Kafka."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs
from rocksdict import Rdict, WriteBatch

from streams.core.errors import PartitionRed
from streams.core.log import DEFAULT_CONFIG, VERSION, Record, Tick
from streams.core.rows import tenant_key
from streams.runtime import positions
from streams.runtime.folding import Folding
from streams.runtime.recovery import load_fences
from streams.runtime.view import DatabaseReader, open_database
from streams.settings import Settings

from .stores import TENANT, Count, chunk, event, job

JOB = job(Settings(partitions=1))


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Rdict]:
    db = open_database(tmp_path / "state")
    yield db
    db.close()


def folding(db: Rdict, *, sends: bool = True) -> Folding:
    source = positions.read_source(db) or positions.NOTHING
    config = positions.read_config(db) or DEFAULT_CONFIG
    return Folding(JOB, 0, db, source, load_fences(db), config, sends=sends)


def commit(db: Rdict, one: Folding) -> None:
    rows, _ = one.rows()
    batch = WriteBatch(raw_mode=True)
    one.write(batch, rows)
    db.write(batch)
    one.committed()


def counted(db: Rdict) -> int:
    row = DatabaseReader(db).get(Count, tenant_key(Count, TENANT))
    return 0 if row is None else row.number


def test_a_round_stands_where_it_began_until_it_is_written(db: Rdict) -> None:
    one = folding(db)
    work = one.take(chunk(0, [event(0), event(1), event(2, "0")]).records)
    one.fold(work, math.inf)
    assert (one.source.offset, one.reached.offset, counted(db)) == (-1, 2, 0)
    rows, changed = one.rows()
    assert (changed, len(rows)) == (1, 3)
    assert [made.value for made in one.sendings] == [b"1", b"2"]
    commit(db, one)
    assert (one.source.offset, one.sendings, counted(db)) == (2, [], 2)
    # Of these the first two are folded, the third's origin is, the last one's id is applied.
    again = folding(db)
    work = again.take(chunk(1, [event(1), event(2), event(0), event(9, "1")]).records)
    assert len(work.raw) == 2
    again.fold(work, math.inf)
    commit(db, again)
    assert (again.source.offset, counted(db)) == (4, 2)


def test_nothing_is_made_of_what_is_not_wanted(db: Rdict) -> None:
    one = folding(db, sends=False)
    one.fold(one.take(chunk(0, [event(0)]).records), math.inf)
    assert one.sendings == []
    commit(db, one)
    assert counted(db) == 1


def test_a_config_record_ends_its_round(db: Rdict) -> None:
    one = folding(db)
    change = Record(VERSION, "", None, "", "", 0, structs.replace(DEFAULT_CONFIG, dedupe_hours=1))
    work = one.take(chunk(0, [event(0), change, event(2)]).records)
    one.fold(work, math.inf)
    assert (one.ends_here, work.left, one.reached.offset) == (True, True, 1)
    assert one.config == DEFAULT_CONFIG
    commit(db, one)
    assert (one.ends_here, one.config.dedupe_hours) == (False, 1)
    one.fold(work, math.inf)
    commit(db, one)
    assert (work.left, counted(db)) == (False, 2)


def test_an_outage_does_not_use_up_the_time_for_which_duplicates_are_known(db: Rdict) -> None:
    hour = 3_600_000
    one = folding(db)

    def fold(first: int, events: list[Record], at: int) -> int:
        one.fold(one.take(chunk(first, events, timestamp=at).records), math.inf)
        commit(db, one)
        return counted(db)

    assert fold(0, [event(0, "a"), event(1, "b")], hour) == 2
    # Lost, and restored after three days: offsets and origins begin anew, and all is sent again.
    one.enter(1)
    back = 73 * hour
    assert fold(0, [event(100, "a")], back) == 2
    one = folding(db)
    assert fold(1, [event(101, "b"), event(102, "c")], back + 23 * hour) == 3
    assert fold(3, [event(103, "b"), event(104, "c")], back + 25 * hour) == 4
    assert one.source.paused == 72 * hour * 1000 - 1000
    assert one.source.log_time == back * 1000 + 25 * hour * 1000 + 1000


def test_a_round_ends_when_its_time_is_over(db: Rdict) -> None:
    one = folding(db)
    work = one.take(chunk(0, [event(n) for n in range(100)]).records)
    one.fold(work, 0.0)
    assert one.reached.offset == 0
    one.fold(work, math.inf)
    assert (work.left, one.reached.offset) == (False, 99)


def test_what_stands_before_an_unreadable_record_is_work(db: Rdict) -> None:
    one = folding(db)
    tick = Record(VERSION, "", None, "", "", 0, Tick())
    work = one.take(chunk(0, [tick, b"\xc1", tick]).records)
    assert len(work.decoded) == 1
    with pytest.raises(PartitionRed, match=r"log\.v1/0/1: a record of the log"):
        raise work.unreadable or AssertionError
