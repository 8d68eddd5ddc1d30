"""Throw away snapshots that are too old, and what nobody names any more.

Why that is safe beside uploads and other collectors: streams/snapshots/garbage.py.
"""

import asyncio
import logging
from itertools import groupby

import msgspec

from streams.core.errors import ObjectMissing
from streams.ports import StoredObject
from streams.runtime.failpoints import reach
from streams.runtime.snapshots import Bin, Clock, Listed, list_snapshots, read_manifest, together
from streams.snapshots.garbage import DELETE_WITHIN, Stored, garbage, retired
from streams.snapshots.manifest import BadManifest, Manifest
from streams.snapshots.names import Place

log = logging.getLogger(__name__)

PARALLEL = 8
_AT_ONCE = 100
"""Deleted between two looks at the clock."""


class Collected(msgspec.Struct, frozen=True):
    """What a collection did."""

    manifests: tuple[str, ...]
    """Names of the retired ones."""
    objects: int
    """Deleted ones."""
    bytes: int
    unreadable: tuple[str, ...]
    """Manifests for whose sake nothing was deleted."""


async def collect(of: Bin, *, keep: int, keep_for: int, now: Clock) -> Collected:
    """Retire manifests of all partitions, delete what none names.

    Parameters
    ----------
    keep, keep_for
        As in `streams.snapshots.garbage.retired`.
    """
    listed_at = now()
    objects = await _objects(of)
    reach("collect.listed")
    listed = await list_snapshots(of)
    gone = _retired(listed, now(), keep, keep_for)
    manifests, unreadable = await _read(of, [one for one in listed if one not in gone])
    names = tuple(one.name for one in gone)
    if names:
        await asyncio.to_thread(of.store.delete, names)
        reach("collect.retired")
    if unreadable:
        log.error("no objects are deleted: %s can't be read", ", ".join(unreadable))
        return Collected(names, 0, 0, unreadable)
    plan = garbage(
        ((sha256, stored.modified) for sha256, stored in objects.items()), listed_at, manifests
    )
    deleted = 0
    for start in range(0, len(plan), _AT_ONCE):
        if now() - listed_at > DELETE_WITHIN:
            log.info("%d objects are left to the next collection", len(plan) - start)
            break
        some = plan[start : start + _AT_ONCE]
        await asyncio.to_thread(of.store.delete, [of.layout.object(sha256) for sha256 in some])
        reach("collect.deleted")
        deleted += len(some)
    size = sum(objects[sha256].size for sha256 in plan[:deleted])
    return Collected(names, deleted, size, ())


async def objects_of(of: Bin, place: Place) -> set[str]:
    """sha256 of the objects that a partition's manifests name, and of those that none names."""
    found = await _objects(of)
    manifests, _ = await _read(of, await list_snapshots(of))
    mine, others = set[str](), set[str]()
    for manifest in manifests:
        (mine if manifest.place == place else others).update(
            file.sha256 for file in manifest.objects
        )
    return set(found) - (others - mine)


async def unnamed(of: Bin) -> list[int]:
    """When the objects were last written that no manifest names.

    Raises
    ------
    BadManifest
        One can't be read: nobody knows what it names.
    """
    found = await _objects(of)
    manifests, unreadable = await _read(of, await list_snapshots(of))
    if unreadable:
        raise BadManifest(f"{', '.join(unreadable)} can't be read")
    named = {file.sha256 for manifest in manifests for file in manifest.objects}
    return [stored.modified for sha256, stored in found.items() if sha256 not in named]


async def _objects(of: Bin) -> dict[str, StoredObject]:
    """All objects that are there, by their sha256."""
    stored = await asyncio.to_thread(lambda: list(of.store.list(of.layout.objects)))
    return {
        sha256: each for each in stored if (sha256 := of.layout.read_object(each.name)) is not None
    }


def _retired(listed: list[Listed], now: int, keep: int, keep_for: int) -> list[Listed]:
    gone = []
    for _, ones in groupby(listed, key=lambda one: one.place):
        of_one = {one.position: one for one in ones}
        stored = [Stored(one.position, one.modified) for one in of_one.values()]
        gone += [of_one[at] for at in retired(stored, now, keep=keep, keep_for=keep_for)]
    return gone


async def _read(of: Bin, listed: list[Listed]) -> tuple[list[Manifest], tuple[str, ...]]:
    """Read manifests; one that another collector retired meanwhile names nothing.

    Only a later listing without it says that it was: a store may also fail to find what it has.
    """
    unreadable: list[str] = []
    missing: set[str] = set()

    async def one(each: Listed) -> Manifest | None:
        try:
            return await read_manifest(of, each)
        except BadManifest:
            unreadable.append(each.name)
        except ObjectMissing:
            missing.add(each.name)
        return None

    found = await together(PARALLEL, one, listed)
    if missing:
        unreadable += [each.name for each in await list_snapshots(of) if each.name in missing]
    return [manifest for manifest in found if manifest is not None], tuple(sorted(unreadable))
