"""Users' duplicates: identities of applied events, for a window of log time.

Keys are ``d/<epoch><128-bit hash>`` with one epoch per window length, so a look-up asks two epochs
(an hour's keys a time, as first designed, would ask 25) and a whole epoch goes with one
DeleteRange. Values are the log time of the application: the window itself is exact.

Each chunk's new identities travel as one packed record on tenant.dedupe.v1 in the chunk's
transaction; recovery unpacks them.
"""

from collections.abc import Iterable, Iterator

from rocksdict import Rdict, WriteBatch

from streams.runtime.positions import DEDUPE_PREFIX
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

    def load(self, identities: Iterable[bytes], log_time: int) -> None:
        """Read what is known of a chunk's identities, in bulk, before they are asked for."""
        wanted = [h for h in identities if h not in self._new]
        self._seen = dict(self._new)
        newest = log_time // self.window
        # A partition's very first records come before any log time: there is no epoch before 0.
        for epoch in range(max(0, newest - 1), newest + 1):
            keys = [_key(epoch, h) for h in wanted]
            for identity, value in zip(wanted, self._db.get(keys) if keys else (), strict=True):
                if value is not None:
                    self._seen[identity] = int.from_bytes(value, "big")

    def first(self, identity: bytes, log_time: int) -> bool:
        """Return whether the event is new within the window, and note it as applied if so."""
        applied = self._seen.get(identity)
        if applied is not None and log_time - applied < self.window:
            return False
        self._seen[identity] = self._new[identity] = log_time
        return True

    def packed(self) -> bytes | None:
        """Return the new identities as one record, None if there are none."""
        return b"".join(h + t.to_bytes(8, "big") for h, t in self._new.items()) or None

    def write(self, batch: WriteBatch, log_time: int) -> None:
        """Add the new identities to a batch and drop epochs that are past the window."""
        put(batch, self._new.items(), self.window)
        oldest = log_time // self.window - 1
        if self._new and oldest > 0:
            batch.delete_range(_key(0, b""), _key(oldest, b""))

    def committed(self) -> None:
        """Forget the new identities: they are in the database now."""
        self._new.clear()


def rekey(db: Rdict, old: int, new: int) -> None:
    """Move identities to the epochs of another window length (a config record changed it)."""
    entries = [
        (key[-HASH:], int.from_bytes(value, "big")) for key, value in scan_raw(db, DEDUPE_PREFIX)
    ]
    batch = WriteBatch(raw_mode=True)
    for identity, log_time in entries:
        batch.delete(_key(log_time // old, identity))
    put(batch, entries, new)
    db.write(batch)


def unpack(record: bytes) -> Iterator[tuple[bytes, int]]:
    """Read a packed record of tenant.dedupe.v1."""
    for i in range(0, len(record), ENTRY):
        yield record[i : i + HASH], int.from_bytes(record[i + HASH : i + ENTRY], "big")


def put(batch: WriteBatch, entries: Iterable[tuple[bytes, int]], window: int) -> None:
    """Add identities to a batch."""
    for identity, log_time in entries:
        batch.put(_key(log_time // window, identity), log_time.to_bytes(8, "big"))


def _key(epoch: int, identity: bytes) -> bytes:
    return DEDUPE_PREFIX + epoch.to_bytes(8, "big") + identity
