"""A View over a dict: what the store is to the folds, without a database."""

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterator
from typing import TypeVar

from streams.core.fold import Deferred, settle
from streams.core.rows import Row, decode_row, encode_row
from streams.core.schema import SCHEMAS

R = TypeVar("R", bound=Row)


class MemoryView:
    """Rows in a dict, scans in key order.

    Parameters
    ----------
    stored : bool
        Keep encoded rows, so that what a fold reads went through the row format.
    """

    def __init__(self, *, stored: bool = False) -> None:
        self.rows: dict[bytes, Row | bytes] = {}
        self.deferred: dict[Hashable, Deferred] = {}
        self.kept: dict[Hashable, object] = {}
        self.schema = len(SCHEMAS)
        self.stored = stored
        self.changes = 0
        self._keys: list[bytes] | None = []

    def get(self, kind: type[R], key: bytes) -> R | None:
        row = self.rows.get(key)
        if row is None:
            return None
        return decode_row(kind, row) if isinstance(row, bytes) else row  # type: ignore[return-value]

    def put(self, key: bytes, row: Row) -> None:
        self.changes += 1
        if key not in self.rows:
            self._keys = None
        self.rows[key] = encode_row(row) if self.stored else row

    def delete(self, key: bytes) -> None:
        self.changes += 1
        if self.rows.pop(key, None) is not None:
            self._keys = None

    def scan(
        self, kind: type[R], prefix: bytes, *, reverse: bool = False, start: bytes | None = None
    ) -> Iterator[tuple[bytes, R]]:
        if self._keys is None:
            self._keys = sorted(self.rows)
        keys = self._keys
        low, high = bisect_left(keys, prefix), bisect_left(keys, prefix + b"\xff" * 64)
        if start is not None and reverse:
            high = min(high, bisect_right(keys, start))
        elif start is not None:
            low = max(low, bisect_left(keys, start))
        for key in reversed(keys[low:high]) if reverse else keys[low:high]:
            row = self.get(kind, key)
            if row is not None:
                yield key, row

    def encoded(self) -> dict[bytes, bytes]:
        """All rows as they would be stored."""
        settle(self)
        return {
            key: row if isinstance(row, bytes) else encode_row(row)
            for key, row in sorted(self.rows.items())
        }
