"""Owners bring older rows into the state's schema, a part with each round."""

import math
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from msgspec import structs
from rocksdict import Rdict, WriteBatch

from streams.core.log import DEFAULT_CONFIG, VERSION, Record, Tick
from streams.core.rows import encode_row, tenant_key, version_of
from streams.runtime import positions, rewriting
from streams.runtime.folding import Folding
from streams.runtime.recovery import load_fences
from streams.runtime.rewriting import Rewriting, count_rows
from streams.runtime.view import open_database
from streams.settings import Settings

from . import next_version, stores
from .stores import TENANT, chunk, event

JOB = next_version.job(Settings(partitions=1))
FINALIZE = Record(
    VERSION, "", None, "", "", 0, structs.replace(DEFAULT_CONFIG, schema=next_version.SCHEMA)
)
TICK = Record(VERSION, "", None, "", "", 0, Tick())
OLD_ROWS = 25


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Rdict]:
    """A state with rows of the version before, and one that no code knows."""
    db = open_database(tmp_path / "state")
    for number in range(OLD_ROWS):
        db[tenant_key(stores.Count, f"t{number:02}")] = encode_row(stores.Count(number))
    db[b"!?"] = b"?"
    with patch.object(rewriting, "AT_ONCE", 10):
        yield db
    db.close()


def opened(db: Rdict) -> Folding:
    source = positions.read_source(db) or positions.NOTHING
    config = positions.read_config(db) or DEFAULT_CONFIG
    return Folding(JOB, 0, db, source, load_fences(db), config)


def fold(one: Folding, db: Rdict, *records: Record) -> list[int]:
    """Fold in rounds; tells how many rows each changed."""
    work = one.take(chunk(one.source.offset + 1, records).records)
    counts = []
    while work.left:
        one.fold(work, math.inf)
        rows, changed = one.rows()
        assert len({key for key, _ in rows}) == len(rows)
        batch = WriteBatch(raw_mode=True)
        one.write(batch, rows)
        db.write(batch)
        one.committed()
        counts.append(changed)
    return counts


def old_ones(db: Rdict) -> int:
    prefix = stores.Count.kind
    rows = [value for key, value in db.items() if key.startswith(prefix)]
    return sum(version_of(value) == stores.Count.version for value in rows)


def test_finalizing_begins_it_and_each_round_does_a_part(db: Rdict) -> None:
    one = opened(db)
    assert not one.rewriting
    assert fold(one, db, FINALIZE) == [0]
    assert (one.rewriting, old_ones(db)) == (True, OLD_ROWS)
    assert [fold(one, db, TICK) for _ in range(3)] == [[10], [10], [5]]
    assert (one.rewriting, old_ones(db)) == (False, 0)
    assert fold(one, db, TICK) == [0]
    assert db.get(positions.REWRITING_KEY) is None
    assert db[b"!?"] == b"?"
    assert count_rows(db, JOB.kinds)["Count"] == {"version 5": OLD_ROWS}


def test_the_next_owner_goes_on_where_the_last_one_ended(db: Rdict) -> None:
    fold(opened(db), db, FINALIZE, TICK)
    again = opened(db)
    assert (again.rewriting, old_ones(db)) == (True, OLD_ROWS - 10)
    fold(again, db, TICK)
    last = opened(db)
    assert [fold(last, db, TICK), last.rewriting] == [[5], False]
    assert old_ones(db) == 0


def test_what_the_round_folds_is_not_overwritten(db: Rdict) -> None:
    one = opened(db)
    fold(one, db, FINALIZE)
    record = structs.replace(event(0), tenant="t03")
    assert fold(one, db, record) == [10]
    row = one._view.get(next_version.Count, tenant_key(stores.Count, "t03"))
    assert row == next_version.Count(4, "0")
    assert db[tenant_key(stores.Count, "t03")] == encode_row(row)


def test_it_can_be_asked_for_and_rewrites_nothing_that_the_state_can_not_say(db: Rdict) -> None:
    one = opened(db)
    one.rewrite()
    fold(one, db, TICK)
    fold(one, db, TICK, TICK)
    assert (one.rewriting, old_ones(db)) == (True, OLD_ROWS)
    fold(one, db, TICK)
    assert (one.rewriting, old_ones(db)) == (False, OLD_ROWS)


def test_large_rows_make_small_parts(db: Rdict) -> None:
    with patch.object(rewriting, "BYTES", 8):
        some = Rewriting(db, JOB.kinds).some(next_version.NUMBER, ())
    assert 1 < len(some) < 6
    assert some[-1] == (positions.REWRITING_KEY, tenant_key(stores.Count, f"t{len(some) - 1:02}"))


def test_a_kind_that_was_never_otherwise_is_not_looked_at(db: Rdict) -> None:
    looking = Rewriting(db, {stores.Count.kind: stores.Count})
    assert looking.some(next_version.NUMBER, ()) == [(positions.REWRITING_KEY, None)]
    assert looking.done


def test_what_is_finalized_counts_on(db: Rdict) -> None:
    one = opened(db)
    fold(one, db, FINALIZE, event(0), event(1), event(2))
    row = one._view.get(next_version.Count, tenant_key(stores.Count, TENANT))
    assert row == next_version.Count(3, "2")
