"""Digest of a state: of its logical rows, in key order, not of positions, fences or caches."""

from hashlib import sha256
from typing import NamedTuple

from rocksdict import RdictIter

from streams.runtime.positions import LOGICAL_START
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
    """
    total, rows = sha256(), 0
    it.seek(LOGICAL_START)
    while it.valid():
        key, value = it.key(), it.value()
        total.update(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value)
        rows += 1
        it.next()
    check(it)
    return Digest(total.hexdigest(), rows)
