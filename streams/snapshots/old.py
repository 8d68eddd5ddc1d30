"""Which snapshots and segments are older than a time, and may go without a loss."""

from collections.abc import Iterable
from itertools import pairwise

import msgspec

from streams.snapshots.garbage import COMMIT_WITHIN, SLACK
from streams.snapshots.names import Position, Segment


class Kept(msgspec.Struct, frozen=True):
    """One partition's snapshot."""

    position: Position
    modified: int
    """Microseconds, by the store's clock."""
    folded: Position
    """Incarnation of the log, and the first offset that is not in it."""


class KeptSegment(msgspec.Struct, frozen=True):
    """One segment of its log."""

    segment: Segment
    modified: int


class Old(msgspec.Struct, frozen=True):
    """What may go."""

    snapshots: tuple[Position, ...]
    segments: tuple[Segment, ...]


def old(
    snapshots: Iterable[Kept], segments: Iterable[KeptSegment], before: int, *, now: int
) -> Old:
    """Return what one partition has that was written before a time and is not needed.

    The newest snapshot stays, however old, and what has to be folded after any that stays. So does
    one that was the newest not long ago: an upload may rest on it (rule 2 of garbage.py).

    Examples
    --------
    >>> from streams.core.time import HOUR
    >>> from streams.snapshots.names import Place
    >>> log = Place("g", "log", 0)
    >>> found = old(
    ...     [Kept(Position(0, 5), 1, Position(0, 50)), Kept(Position(0, 9), 7, Position(0, 90))],
    ...     [KeptSegment(Segment(log, 0, 0, 90), 1), KeptSegment(Segment(log, 0, 90, 95), 2)],
    ...     before=5,
    ...     now=10 * HOUR,
    ... )
    >>> found.snapshots, [(each.first, each.end) for each in found.segments]
    ((Position(incarnation=0, offset=5),), [(0, 90)])
    """
    newest_last = sorted(snapshots, key=lambda kept: kept.position)
    rested_on = now - COMMIT_WITHIN - SLACK
    gone = tuple(
        kept.position
        for kept, successor in pairwise(newest_last)
        if kept.modified < before and successor.modified < rested_on
    )
    begun_from = [kept.folded for kept in newest_last if kept.position not in gone]
    if not begun_from:
        return Old((), ())
    needed = min(begun_from)
    return Old(
        gone,
        tuple(
            sorted(
                each.segment
                for each in segments
                if each.modified < before
                and Position(each.segment.incarnation, each.segment.end) <= needed
            )
        ),
    )
