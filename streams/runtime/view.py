"""Typed rows over RocksDB: a plain reader for queries, a buffered view for folds."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Hashable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    BottommostLevelCompaction,
    Cache,
    CompactOptions,
    DbClosedError,
    DBCompactionStyle,
    Options,
    Rdict,
    RdictIter,
    UniversalCompactOptions,
    WriteBatch,
)

from streams.core.errors import StoreDamaged, StoreLost
from streams.core.fold import Deferred, settle
from streams.core.rows import Row, decode_row, encode_row
from streams.core.schema import SCHEMAS

R = TypeVar("R", bound=Row)

BLOCK_CACHE_BYTES = 8 << 20
WRITE_BUFFER_BYTES = 8 << 20
RUNS = 16
"""Sorted runs before they are merged, MERGED or more at once: what merging rewrites the next
snapshot uploads, what it leaves costs look-ups (docs/decisions/0014-snapshots.md)."""
MERGED = 8
MAX_CLEAN_ROWS = 20_000
"""Rows kept decoded between chunks; a bound on memory, never on meaning."""
LARGE_ROW = 4_096
"""A row of more bytes is not kept: else 20,000 of 64 KiB would be."""
_DAMAGED = "Corruption"
"""RocksDB tells errors apart by their texts only."""
_ABSENT = "key not found"
"""All that rocksdict says of a key that a snapshot has not: a plain Exception."""
FEW_NEW = 64
"""Up to so many new keys are put into the sorted ones one by one; more are sorted with them."""


def open_database(path: Path) -> Rdict:
    """Open (or make) a partition's database with bounded memory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(3)
    options.set_keep_log_file_num(2)
    # Most look-ups are of identities that are new: a third of the cost with a filter here too.
    options.set_memtable_prefix_bloom_ratio(0.05)
    options.set_memtable_whole_key_filtering(True)
    options.set_compaction_style(DBCompactionStyle.universal())
    merging = UniversalCompactOptions()
    merging.min_merge_width = MERGED
    merging.max_size_amplification_percent = 200
    options.set_universal_compaction_options(merging)
    options.set_level_zero_file_num_compaction_trigger(RUNS)
    options.set_level_zero_slowdown_writes_trigger(2 * RUNS)
    options.set_level_zero_stop_writes_trigger(3 * RUNS)
    table = BlockBasedOptions()
    table.set_block_cache(Cache(BLOCK_CACHE_BYTES))
    table.set_bloom_filter(10, False)
    options.set_block_based_table_factory(table)
    return Rdict(str(path), options=options)


def open_read_only(path: Path) -> Rdict:
    """Open a database as it lies there; nothing in it is changed."""
    return Rdict(str(path), options=Options(raw_mode=True), access_type=AccessType.read_only())


def after(prefix: bytes) -> bytes | None:
    """Return the smallest key above all keys with this prefix.

    Examples
    --------
    >>> after(b"a/"), after(b"a\\xff")
    (b'a0', b'b')
    """
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None


def compact(db: Rdict) -> bool:
    """Write all tables anew, without rows that were deleted or replaced; blocks, for a thread.

    Returns
    -------
    bool
        Whether nobody read an earlier moment meanwhile, for whom such rows had to stay.
    """
    options = CompactOptions()
    options.set_bottommost_level_compaction(BottommostLevelCompaction.force())
    db.flush()
    alone = not db.property_int_value("rocksdb.num-snapshots")
    db.compact_range(None, None, options)
    return alone


class DatabaseReader:
    """Committed rows; what the query side reads."""

    def __init__(self, db: Rdict) -> None:
        self.db = db
        self.damage: StoreDamaged | None = None
        """What a read has found: the partition's owner looks here before it goes on."""

    def get(self, kind: type[R], key: bytes) -> R | None:
        try:
            value = self.db.get(key)
        except Exception as error:
            self._note(error)
            raise
        return None if value is None else decode_row(kind, value)

    def _note(self, error: Exception) -> None:
        """Tell in our terms what a read failed with."""
        lost = lost_by(error)
        if isinstance(lost, StoreDamaged):
            self.damage = lost
        if lost is not None:
            raise lost from None

    def scan(
        self, kind: type[R], prefix: bytes, *, reverse: bool = False, start: bytes | None = None
    ) -> Iterator[tuple[bytes, R]]:
        try:
            for key, value in scan_raw(self.db, prefix, reverse=reverse, start=start):
                yield key, decode_row(kind, value)
        except StoreDamaged as damage:
            self.damage = damage
            raise


class SnapshotRows:
    """Committed rows of one moment. While it is open the database's files stay locked.

    It has no scan: rocksdict's iterators of a snapshot show what was written after it.
    """

    def __init__(self, db: Rdict) -> None:
        try:
            self._rows = db.snapshot()
        except DbClosedError:
            raise StoreLost("the partition is being taken over") from None

    def get(self, kind: type[R], key: bytes) -> R | None:
        try:
            value = self._rows[key]
        except Exception as error:
            if str(error) == _ABSENT:
                return None
            raise (lost_by(error) or error) from None
        return decode_row(kind, value)

    def close(self) -> None:
        del self._rows


def scan_raw(
    db: Rdict, prefix: bytes, *, reverse: bool = False, start: bytes | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Yield committed (key, value) pairs under a prefix, in (reverse) key order."""
    try:
        it = db.iter()
    except DbClosedError:
        raise StoreLost("the partition is being taken over") from None
    if not reverse:
        it.seek(prefix if start is None else start)
    elif start is not None:
        it.seek_for_prev(start)
    elif (end := after(prefix)) is None:
        it.seek_to_last()
    else:
        it.seek_for_prev(end)
        if it.valid() and it.key() == end:
            it.prev()
    step = it.prev if reverse else it.next
    while it.valid():
        key = it.key()
        if not key.startswith(prefix):
            return
        yield key, it.value()
        step()
    check(it)


def check(it: RdictIter) -> None:
    """Tell an iterator that has ended from one that met damage, which ends it just the same.

    Raises
    ------
    StoreDamaged
    """
    try:
        it.status()
    except Exception as error:
        raise (lost_by(error) or error) from None


def lost_by(error: Exception) -> StoreLost | None:
    """What an error of RocksDB means to who reads; None: nothing that a take-over would help."""
    if isinstance(error, DbClosedError):
        return StoreLost("the partition is being taken over")
    if isinstance(error, StoreDamaged):
        return error
    if _DAMAGED in str(error):
        return StoreDamaged(f"the local state is damaged: {error}")
    return None


class BufferedView:
    """Rows as a fold sees them: its own changes over what is committed.

    A fold's changes lie in ``dirty`` until the transaction that carries them has committed.

    Parameters
    ----------
    schema : int
        Number of the schema in whose shapes rows are written.
    """

    def __init__(self, db: Rdict, schema: int = len(SCHEMAS)) -> None:
        self.schema = schema
        self._committed = DatabaseReader(db)
        self._rows: dict[bytes, Row | None] = {}
        self.dirty: dict[bytes, Row | None] = {}
        self.deferred: dict[Hashable, Deferred] = {}
        self.kept: dict[Hashable, object] = {}
        self._dirty_keys: list[bytes] = []
        """Sorted, as of the last scan."""
        self._large: list[bytes] = []

    def get(self, kind: type[R], key: bytes) -> R | None:
        try:
            return self._rows[key]  # type: ignore[return-value]
        except KeyError:
            row = self._rows[key] = self._committed.get(kind, key)
            return row

    def put(self, key: bytes, row: Row) -> None:
        self._rows[key] = self.dirty[key] = row

    def delete(self, key: bytes) -> None:
        self._rows[key] = self.dirty[key] = None

    def scan(
        self, kind: type[R], prefix: bytes, *, reverse: bool = False, start: bytes | None = None
    ) -> Iterator[tuple[bytes, R]]:
        changed = iter(self._changed(prefix, start, reverse))
        pending = next(changed, None)
        for key, row in self._committed.scan(kind, prefix, reverse=reverse, start=start):
            while pending is not None and (pending > key if reverse else pending < key):
                if (own := self.dirty[pending]) is not None:
                    yield pending, own  # type: ignore[misc]
                pending = next(changed, None)
            if pending == key:
                continue
            yield key, row
        while pending is not None:
            if (own := self.dirty[pending]) is not None:
                yield pending, own  # type: ignore[misc]
            pending = next(changed, None)

    def _changed(self, prefix: bytes, start: bytes | None, reverse: bool) -> list[bytes]:
        """Changed keys that a scan is about, in its order."""
        keys = self._dirty_keys
        # A dict keeps what is new at its end, and nothing leaves it before all does.
        new = list(islice(reversed(self.dirty), len(self.dirty) - len(keys)))
        if len(new) > FEW_NEW:
            keys += new
            keys.sort()
        else:
            for key in new:
                insort(keys, key)
        end = after(prefix)
        low, high = bisect_left(keys, prefix), len(keys) if end is None else bisect_left(keys, end)
        if start is not None and reverse:
            high = min(high, bisect_right(keys, start))
        elif start is not None:
            low = max(low, bisect_left(keys, start))
        found = keys[low:high]
        return found[::-1] if reverse else found

    def encoded(self) -> list[tuple[bytes, bytes | None]]:
        """Return the changes as bytes, each key once; None removes.

        Raises
        ------
        PartitionRed
            A row says what the state's schema can't.
        """
        settle(self)
        schema = self.schema
        found = [
            (key, None if row is None else encode_row(row, schema))
            for key, row in self.dirty.items()
        ]
        self._large = [key for key, value in found if value is not None and len(value) > LARGE_ROW]
        return found

    def committed(self) -> None:
        """Forget that rows are dirty: they are committed and in the database now."""
        self.dirty.clear()
        self._dirty_keys.clear()
        for key in self._large:
            self._rows.pop(key, None)
        self._large = []
        if len(self._rows) > MAX_CLEAN_ROWS:
            self._rows.clear()
            self.kept.clear()


def write(batch: WriteBatch, rows: list[tuple[bytes, bytes | None]]) -> None:
    """Add rows to a write batch; None removes."""
    for key, value in rows:
        if value is None:
            batch.delete(key)
        else:
            batch.put(key, value)
