"""Digest of a state: of its logical rows, in key order, not of positions, fences or caches.

Rows count as what they say, in the newest schema: a row that an older version wrote has the digest
of the migrated one.
"""

from hashlib import sha256
from typing import NamedTuple

from rocksdict import RdictIter

from streams.runtime.positions import LOGICAL_START
from streams.runtime.row_kinds import logical
from streams.runtime.view import check


class Digest(NamedTuple):
    """SHA-256 over rows, and how many there are."""

    hex: str
    rows: int


def digest(it: RdictIter) -> Digest:
    """Digest what an iterator sees; it is a snapshot of the moment it was made.

    Raises
    ------
    StoreDamaged
    PartitionRed
        A row is newer than this code.
    """
    total, rows = sha256(), 0
    it.seek(LOGICAL_START)
    while it.valid():
        key = it.key()
        value = logical(key, it.value())
        total.update(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value)
        rows += 1
        it.next()
    check(it)
    return Digest(total.hexdigest(), rows)
