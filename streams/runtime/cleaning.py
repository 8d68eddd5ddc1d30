"""Take what was erased out of the archive of a log, and keep all else where it is."""

import asyncio
import contextlib

import msgspec

import streams
from streams.core.errors import ObjectMissing
from streams.runtime.archive import list_segments
from streams.runtime.erased_records import Change
from streams.runtime.failpoints import reach
from streams.runtime.snapshots import Bin
from streams.snapshots.names import Place, Segment
from streams.snapshots.segments import BadSegment, rewritten


class Cleaned(msgspec.Struct, frozen=True):
    """What a cleaning found."""

    segments: int
    """Looked through."""
    rewritten: int
    damaged: tuple[str, ...] = ()
    """Names of those that can't be read, so that nobody knows what is in them."""


async def clean(of: Bin, place: Place, change: Change) -> Cleaned:
    """Rewrite the segments of a partition in which something has to change.

    Whoever is killed on the way leaves two generations of a segment: the next cleaning deletes the
    earlier one. Others may clean beside it, of another opinion: what they wrote is looked at too.

    Parameters
    ----------
    change : callable
        As of `rewritten`: pure, and content with what it made.

    Raises
    ------
    ObjectStoreError
        What was rewritten before stays.
    """
    looked = done = 0
    damaged: list[str] = []
    for segment in _latest(await list_segments(of, place)):
        looked += 1
        try:
            done += await _clean(of, segment, change)
        except ObjectMissing:
            continue  # another one cleans; what it wrote is listed next time
        except BadSegment as error:
            damaged.append(str(error))
    await _drop_earlier(of, place)
    return Cleaned(looked, done, tuple(damaged))


async def _clean(of: Bin, segment: Segment, change: Change) -> bool:
    """Rewrite a segment until nothing in it has to change; return whether anything had."""
    at = segment
    while True:
        name = of.layout.segment(at)
        data = await asyncio.to_thread(of.store.get, name)
        try:
            made = await asyncio.to_thread(rewritten, at, data, change, streams.__version__)
        except BadSegment as error:
            raise BadSegment(f"{name}: {error}") from None
        if made is None:
            return at != segment
        at, data = made
        # If it is there already somebody else has made it, perhaps without knowing of all.
        await asyncio.to_thread(of.store.put_if_absent, of.layout.segment(at), data)
        reach("archive.rewritten")


def _latest(segments: list[Segment]) -> list[Segment]:
    return list({(each.incarnation, each.first, each.end): each for each in segments}.values())


async def _drop_earlier(of: Bin, place: Place) -> None:
    segments = await list_segments(of, place)
    latest = set(_latest(segments))
    gone = [of.layout.segment(each) for each in segments if each not in latest]
    if gone:
        with contextlib.suppress(ObjectMissing):
            await asyncio.to_thread(of.store.delete, gone)
