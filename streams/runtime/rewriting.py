"""Bring older rows into the shape that the state's schema has, a bounded part at a time.

Every version is read everywhere, so this changes no meaning and no digest: a row's two forms may
stand side by side, also here and in the changelog.
"""

from collections.abc import Container, Mapping

from rocksdict import Rdict

from streams.core.rows import Row, decode_row, encode_row, version_of, written_version
from streams.core.schema import SCHEMAS
from streams.runtime import positions
from streams.runtime.view import after, scan_raw

AT_ONCE = 1_000
"""Rows that one transaction looks at."""
BYTES = 1 << 20
"""And what those that it writes come to, about."""

Kinds = Mapping[bytes, type[Row]]
Counts = dict[str, dict[str, int]]
"""Rows by kind and by the schema in whose shape they are."""


def rewritten(kind: type[Row], value: bytes, schema: int) -> bytes | None:
    """Give an encoded row as a state of this schema has it; None if it is as it should be."""
    version = version_of(value)
    if version >= written_version(kind, schema) and version <= kind.version:
        return None
    return encode_row(decode_row(kind, value), schema)


def add(counts: Counts, kind: type[Row] | None, value: bytes) -> None:
    """Count a row."""
    name = "unknown" if kind is None else kind.__name__.removesuffix("Row")
    version = version_of(value) if value else 0
    schema = SCHEMAS[version - 1] if 0 < version <= len(SCHEMAS) else f"version {version}"
    of_kind = counts.setdefault(name, {})
    of_kind[schema] = of_kind.get(schema, 0) + 1


def count_rows(db: Rdict, kinds: Kinds) -> Counts:
    """Count all rows of a database; blocks.

    Raises
    ------
    StoreLost
        It was closed; StoreDamaged: it is.
    """
    counts: Counts = {}
    for key, value in scan_raw(db, b"", start=positions.LOGICAL_START):
        add(counts, kinds.get(key[:2]), value)
    return counts


class Rewriting:
    """An owner's part in each of its transactions, until all rows were looked at.

    Its place is a row of the state (``positions.REWRITING_KEY``), so that the next owner goes on.

    Parameters
    ----------
    at : bytes
        The key to go on from.
    """

    def __init__(self, db: Rdict, kinds: Kinds, at: bytes = positions.LOGICAL_START) -> None:
        self._db = db
        # Of a kind that has always been as it is there are no older rows.
        self._kinds = sorted((k.kind, k) for k in kinds.values() if k.step is not None)
        self._at: bytes | None = at

    @property
    def done(self) -> bool:
        """Whether all rows were looked at."""
        return self._at is None

    def some(self, schema: int, dirty: Container[bytes]) -> list[tuple[bytes, bytes | None]]:
        """Give the next rows in their new form, and last the place that was reached.

        Parameters
        ----------
        dirty : container of bytes
            Keys that the transaction writes anyway.
        """
        rows: list[tuple[bytes, bytes | None]] = []
        self._at = self._look(schema, dirty, rows)
        rows.append((positions.REWRITING_KEY, self._at))
        return rows

    def _look(
        self, schema: int, dirty: Container[bytes], rows: list[tuple[bytes, bytes | None]]
    ) -> bytes | None:
        looked = size = 0
        for prefix, kind in self._kinds:
            assert self._at is not None
            if (end := after(prefix)) is not None and self._at >= end:
                continue
            for key, value in scan_raw(self._db, prefix, start=max(self._at, prefix)):
                if looked >= AT_ONCE or size >= BYTES:
                    return key
                looked += 1
                new = None if key in dirty else rewritten(kind, value, schema)
                if new is not None:
                    rows.append((key, new))
                    size += len(new)
        return None
