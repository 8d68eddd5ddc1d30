"""Rows about the store itself: where it stands. Not part of the logical state or its digest.

Keys begin with a zero byte (shared through the changelog) or a one byte (local only), which no
row kind does.
"""

import zlib
from typing import Any

import msgspec
from rocksdict import Rdict

from streams.core.log import Config, Origin

SOURCE_KEY = b"\x00source"
ORIGIN_PREFIX = b"\x00origin/"
CONFIG_KEY = b"\x00config"
DEDUPE_SINCE_KEY = b"\x00dedupe-since"
REWRITING_KEY = b"\x00rewriting"
"""Where the owner goes on with bringing older rows into the state's schema; none: all were."""
BASE_KEY = b"\x00base"
"""The incarnation that the changelog holds whole, where it was written anew."""
LOCAL = b"\x01"
"""What keys begin with that the changelog does not have: they are this copy's own."""
CHANGELOG_KEY = LOCAL + b"changelog"
CHANGELOG_TIME_KEY = LOCAL + b"changelog-time"
"""Broker's time of the last applied record, microseconds: how old the state is."""
INCARNATION_KEY = LOCAL + b"incarnation"
"""Of the changelog that the position is of."""
MIGRATING_KEY = b"\x01migrating"
"""Where `streams migrate` goes on in a data folder at rest."""
DEDUPE_POSITION_KEY = b"\x01dedupe-position"
DEDUPE_PREFIX = b"\x01d/"
LOGICAL_START = b"\x02"
"""Every logical row's key is at or above this one."""


class Source(msgspec.Struct, frozen=True, array_like=True):
    """How far the input is folded, and enough of the last record to know it again.

    ``log_time`` is in microseconds.
    """

    incarnation: int
    offset: int
    fingerprint: str
    """Empty before the first record of an incarnation."""
    log_time: int
    paused: int = 0
    """How much of the log time passed between incarnations, microseconds: nobody folded then."""

    @property
    def running_time(self) -> int:
        """Log time but for the pauses: what identities are kept by."""
        return self.log_time - self.paused

    def entering(self, incarnation: int) -> "Source":
        """At the beginning of a later incarnation."""
        return Source(incarnation, -1, "", self.log_time, self.paused)

    def pause_until(self, timestamp: int) -> int:
        """Return how much was paused when the next record is of this time (microseconds)."""
        if self.fingerprint or not self.incarnation or not self.log_time:
            return self.paused
        return self.paused + max(0, timestamp - self.log_time)


class OriginKey(msgspec.Struct, frozen=True, array_like=True):
    topic: str
    incarnation: int
    partition: int


NOTHING = Source(0, -1, "", 0)


def fingerprint(record: Any) -> str:
    """Tell a record of a topic from another one at the same offset of a topic made anew."""
    return f"{record.timestamp}-{zlib.crc32(record.value or b''):08x}"


_pack = msgspec.msgpack.encode


def encode(row: Any) -> bytes:
    return _pack(row)


def read_source(db: Rdict) -> Source | None:
    """Return the stored source position, None in an empty store."""
    value = db.get(SOURCE_KEY)
    return None if value is None else msgspec.msgpack.decode(value, type=Source)


def read_number(db: Rdict, key: bytes) -> int | None:
    value = db.get(key)
    return None if value is None else int.from_bytes(value, "big")


def number(value: int) -> bytes:
    return value.to_bytes(8, "big")


def origin_row_key(topic: str, incarnation: int, partition: int) -> bytes:
    return ORIGIN_PREFIX + _pack(OriginKey(topic, incarnation, partition))


def origin_of(key: bytes) -> OriginKey:
    """Return what a fence's key says."""
    return msgspec.msgpack.decode(key[len(ORIGIN_PREFIX) :], type=OriginKey)


class Fences:
    """Highest (offset, n) folded of each origin partition: skips what came twice through admit."""

    def __init__(self, stored: dict[bytes, tuple[int, int]]) -> None:
        self._keys: dict[tuple[str, int, int], bytes] = {}
        self._highest = stored
        self.dirty: set[bytes] = set()

    def passes(self, origin: Origin) -> bool:
        """Return whether this origin was not folded before, and note that it is now."""
        place = (origin.topic, origin.incarnation, origin.partition)
        key = self._keys.get(place)
        if key is None:
            key = self._keys[place] = origin_row_key(*place)
        highest = self._highest.get(key)
        here = (origin.offset, origin.n)
        if highest is not None and here <= highest:
            return False
        self._highest[key] = here
        self.dirty.add(key)
        return True

    def rows(self) -> list[tuple[bytes, bytes | None]]:
        """Return the changed rows, encoded, in key order."""
        return [(key, _pack(self._highest[key])) for key in sorted(self.dirty)]


def decode_fence(value: bytes) -> tuple[int, int]:
    return msgspec.msgpack.decode(value, type=tuple[int, int])


def read_config(db: Rdict) -> Config | None:
    """Return the config record that is in force."""
    value = db.get(CONFIG_KEY)
    return None if value is None else msgspec.msgpack.decode(value, type=Config)
