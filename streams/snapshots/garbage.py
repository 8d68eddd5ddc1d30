"""Which manifests and objects may go.

**Claim.** A manifest that was committed and not retired has all its objects, whoever uploads and
collects meanwhile, dies, or is frozen for some minutes.

The rules (clocks agree within SLACK; the store lists what was written before the listing began):

1. An uploader reads the partition's newest manifest P, then lists the objects. It commits its own
   manifest M at most COMMIT_WITHIN after it began, else not at all.
2. P is retired only when its successor is older than COMMIT_WITHIN: so P is there until M is.
3. A collector lists objects, then reads **all** manifests, then deletes objects that none of them
   names and that were last written more than GRACE before its listing. It stops DELETE_WITHIN after
   it began. If one manifest can't be read it deletes no objects.

Why an object o of M is not deleted, by what the uploader found (upload.py):

- **o is named by P**: a collector that read manifests before M read P, one that did later reads M.
- **o's bytes are YOUNG** (RocksDB made the file so lately; no two tables have the same bytes, each
  holds the id of its session and its number; files that could be equal stand in the manifest): any
  copy in the store is younger still, and not past GRACE before M is committed.
- **o was last written within YOUNG**, and not within SETTLE: the same; and a collector that had
  listed an earlier copy of it as old has stopped.
- **else** the uploader writes it (again) and waits for SETTLE before it looks whether it is still
  there and commits: a collector that listed it as old before has stopped. This is the first
  snapshot of an old database, or of one that comes back after its snapshots were retired.

SETTLE is longer than DELETE_WITHIN by what a collector may be frozen between looking at its clock
and deleting. Should all of it fail, restore takes the snapshot before; the changelog has it all.
"""

from collections.abc import Iterable, Sequence

import msgspec

from streams.core.time import HOUR, SECOND
from streams.snapshots.manifest import Manifest
from streams.snapshots.names import Position

_MINUTE = 60 * SECOND
SLACK = 15 * _MINUTE
COMMIT_WITHIN = HOUR
YOUNG = 2 * HOUR
GRACE = 4 * HOUR
"""At least YOUNG + COMMIT_WITHIN + SLACK."""
DELETE_WITHIN = _MINUTE
SETTLE = 5 * _MINUTE


class Stored(msgspec.Struct, frozen=True):
    """A partition's manifest as the store lists it."""

    position: Position
    modified: int
    """Microseconds, by the store's clock."""


def retired(
    manifests: Iterable[Stored], now: int, *, keep: int, keep_for: int
) -> tuple[Position, ...]:
    """Positions of one partition's manifests that may go, oldest first.

    Parameters
    ----------
    keep : int
        So many of the newest stay, at least one.
    keep_for : int
        What was the newest within this time stays too, microseconds; at least COMMIT_WITHIN.
    """
    newest_first = sorted(manifests, key=lambda stored: stored.position, reverse=True)
    keep_for = max(keep_for, COMMIT_WITHIN + SLACK)
    gone = []
    superseded = now
    for at, stored in enumerate(newest_first):
        if at >= max(keep, 1) and now - superseded > keep_for:
            gone.append(stored.position)
        # By the first of its successors to be committed, which need not be the next one.
        superseded = min(superseded, stored.modified)
    return tuple(reversed(gone))


def garbage(
    objects: Iterable[tuple[str, int]], listed_at: int, manifests: Sequence[Manifest]
) -> tuple[str, ...]:
    """sha256 of the objects that may be deleted.

    Parameters
    ----------
    objects : iterable of (sha256, last written in microseconds)
        Listed from ``listed_at`` on, and all before the manifests were.
    manifests : sequence of Manifest
        All that were listed and are not retired, of all groups and partitions.
    """
    named = {file.sha256 for manifest in manifests for file in manifest.objects}
    return tuple(
        sha256
        for sha256, modified in objects
        if listed_at - modified > GRACE and sha256 not in named
    )
