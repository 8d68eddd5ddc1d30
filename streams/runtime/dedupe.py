"""Users' duplicates: identities of applied events, for a window of log time.

Keys are ``d/<epoch><128-bit hash>`` with one epoch per window length, so a look-up asks two epochs
(an hour's keys a time, as first designed, would ask 25) and a whole epoch goes with one
DeleteRange. Values are the log time of the application: the window itself is exact.

Each chunk's new identities travel as one packed record on tenant.dedupe.v1 in the chunk's
transaction; recovery unpacks them.

When a config record changes the window, what was past the old one stays forgotten: whether its
entry still lies here depends on where chunks were cut and on whether the disk was lost.
"""

from collections.abc import Iterable, Iterator

from rocksdict import Rdict, WriteBatch

from streams.runtime.positions import DEDUPE_PREFIX, DEDUPE_SINCE_KEY, read_number
from streams.runtime.view import scan_raw

HASH = 16
ENTRY = HASH + 8


class Dedupe:
    """Identities of one partition.

    Parameters
    ----------
    db : Rdict
        The partition's database.
    window : int
        Microseconds of log time; changes only with a config record.
    """

    def __init__(self, db: Rdict, window: int) -> None:
        self._db = db
        self.window = window
        self._seen: dict[bytes, int] = {}
        self._new: dict[bytes, int] = {}
        self._since = read_number(db, DEDUPE_SINCE_KEY) or 0
        """What was applied before is forgotten."""
        self._dropped = 0
        """Epochs below this one are gone."""

    def load(self, identities: Iterable[bytes], log_time: int) -> None:
        """Read what is known of a chunk's identities, in bulk, before they are asked for."""
        wanted = [h for h in identities if h not in self._new]
        self._seen = dict(self._new)
        newest = log_time // self.window
        # A partition's very first records come before any log time: there is no epoch before 0.
        for epoch in range(max(0, newest - 1), newest + 1):
            prefix = _key(epoch, b"")
            found = self._db.get([prefix + h for h in wanted]) if wanted else []
            if found.count(None) == len(found):
                continue
            for identity, value in zip(wanted, found, strict=True):
                if value is not None:
                    self._seen[identity] = int.from_bytes(value, "big")

    def first(self, identity: bytes, log_time: int) -> bool:
        """Return whether the event is new within the window, and note it as applied if so."""
        applied = self._seen.get(identity)
        if applied is not None and applied >= self._since and log_time - applied < self.window:
            return False
        self._seen[identity] = self._new[identity] = log_time
        return True

    def forget(self, identity: bytes | None) -> None:
        """Take back that an event was applied: it was refused, and may come again."""
        if identity is not None:
            self._new.pop(identity, None)
            self._seen.pop(identity, None)

    @property
    def dirty(self) -> bool:
        """Whether there are new identities."""
        return bool(self._new)

    def packed(self) -> bytes | None:
        """Return the new identities as one record, None if there are none."""
        return b"".join(h + t.to_bytes(8, "big") for h, t in self._new.items()) or None

    def write(self, batch: WriteBatch, log_time: int) -> None:
        """Add the new identities to a batch and drop epochs that are past the window."""
        put(batch, self._new.items(), self.window)
        oldest = log_time // self.window - 1
        # Once an epoch: each range that lies in RocksDB's memtable makes every read slower.
        if oldest > self._dropped:
            batch.delete_range(_key(0, b""), _key(oldest, b""))
            self._dropped = oldest

    def committed(self) -> None:
        """Forget the new identities: they are in the database now."""
        self._new.clear()

    def since(self, log_time: int) -> int:
        """Return the earliest application that is known when a new window begins at a log time."""
        return max(self._since, log_time - self.window + 1)

    def change_window(self, batch: WriteBatch, window: int, log_time: int) -> None:
        """Go on with another window: add to a batch, after `write`, what moves to other epochs."""
        self._since = self.since(log_time)
        if window == self.window:
            return
        applied = {
            key: int.from_bytes(value, "big") for key, value in scan_raw(self._db, DEDUPE_PREFIX)
        }
        applied |= {_key(at // self.window, identity): at for identity, at in self._new.items()}
        for key in applied:
            batch.delete(key)
        put(batch, ((key[-HASH:], at) for key, at in applied.items()), window)
        self.window = window
        self._dropped = 0


def unpack(record: bytes) -> Iterator[tuple[bytes, int]]:
    """Read a packed record of tenant.dedupe.v1."""
    for i in range(0, len(record), ENTRY):
        yield record[i : i + HASH], int.from_bytes(record[i + HASH : i + ENTRY], "big")


def applied_by(record: bytes, at: int) -> bytes:
    """Return the part of a packed record that was applied up to a running time.

    Examples
    --------
    >>> record = b"".join(bytes(HASH) + time.to_bytes(8, "big") for time in (5, 6, 6, 7))
    >>> [len(applied_by(record, time)) // ENTRY for time in (4, 5, 6, 7)]
    [0, 1, 3, 4]
    """
    # They come in the order in which they were applied.
    end = len(record)
    while end and int.from_bytes(record[end - 8 : end], "big") > at:
        end -= ENTRY
    return record[:end]


def put(batch: WriteBatch, entries: Iterable[tuple[bytes, int]], window: int) -> None:
    """Add identities to a batch."""
    prefix, value, before = b"", b"", -1
    for identity, log_time in entries:
        # Many in a row have the same: the log's batches have one time.
        if log_time != before:
            prefix, value = _key(log_time // window, b""), log_time.to_bytes(8, "big")
            before = log_time
        batch.put(prefix + identity, value)


def _key(epoch: int, identity: bytes) -> bytes:
    return DEDUPE_PREFIX + epoch.to_bytes(8, "big") + identity
