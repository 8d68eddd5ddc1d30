"""Drop snapshots and segments that are older than a time: what is erased is not in newer ones."""

import asyncio
from collections import defaultdict
from functools import partial

import msgspec

from streams.core.errors import ObjectMissing
from streams.runtime.snapshots import Bin, Listed, list_snapshots, read_manifest, together
from streams.snapshots.manifest import BadManifest
from streams.snapshots.names import Place, Position
from streams.snapshots.old import Kept, KeptSegment, old

PARALLEL = 8


class Dropped(msgspec.Struct, frozen=True):
    """Names of what is too old, and what stays although it is."""

    snapshots: tuple[str, ...]
    segments: tuple[str, ...]
    needed: tuple[str, ...]
    """Older too, but a partition could not be restored without them."""


async def drop_old(of: Bin, group: str, before: int, *, now: int, dry_run: bool = False) -> Dropped:
    """Drop what was written before a time and is not needed; files go with the next collection.

    Parameters
    ----------
    before, now : int
        Microseconds, by the store's clock.
    """
    snapshots: dict[Place, list[Listed]] = defaultdict(list)
    for listed in await list_snapshots(of):
        if listed.place.group == group:
            snapshots[listed.place].append(listed)
    segments: dict[Place, list[KeptSegment]] = defaultdict(list)
    for stored in await asyncio.to_thread(lambda: list(of.store.list(of.layout.archive()))):
        segment = of.layout.read_segment(stored.name)
        # Marks (they hold nothing) say where a cluster went on from: they stay.
        if segment is not None and segment.end and segment.place.group == group:
            segments[segment.place].append(KeptSegment(segment, stored.modified))
    found = Dropped((), (), ())
    for place in sorted(snapshots.keys() | segments.keys()):
        one = await _of_one(of, place, snapshots[place], segments[place], before, now)
        found = Dropped(
            found.snapshots + one.snapshots,
            found.segments + one.segments,
            found.needed + one.needed,
        )
    if not dry_run:
        # Snapshots first: one that stays never lacks what has to be folded after it.
        await asyncio.to_thread(of.store.delete, found.snapshots)
        await asyncio.to_thread(of.store.delete, found.segments)
    return found


async def _of_one(
    of: Bin,
    place: Place,
    listed: list[Listed],
    segments: list[KeptSegment],
    before: int,
    now: int,
) -> Dropped:
    names = {one.position: one.name for one in listed}
    kept = [each for each in await together(PARALLEL, partial(_kept, of), listed) if each]
    gone = old(kept, segments, before, now=now)
    dropped = {of.layout.segment(segment) for segment in gone.segments}
    needed = [one.name for one in listed if one.modified < before]
    needed += [of.layout.segment(each.segment) for each in segments if each.modified < before]
    snapshots = tuple(names[position] for position in gone.snapshots)
    stay = tuple(name for name in needed if name not in dropped and name not in snapshots)
    return Dropped(snapshots, tuple(sorted(dropped)), stay)


async def _kept(of: Bin, listed: Listed) -> Kept | None:
    try:
        manifest = await read_manifest(of, listed)
    except (BadManifest, ObjectMissing):
        return None
    folded = Position(manifest.source_incarnation, manifest.source_offset + 1)
    return Kept(listed.position, listed.modified, folded)
