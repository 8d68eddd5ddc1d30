"""What a partition begins from: local state, else the newest snapshot that is whole, else nothing.

The changelog's tail comes on top, so what is not usable is passed over with a word: without
anything the whole changelog is read. A changelog that holds less than there is elsewhere is red: it
was made anew or emptied. Once a person has adopted it (rebasing.py), the newest state of before is
its base.
"""

import asyncio
import logging
import shutil
from collections.abc import Collection
from pathlib import Path

import msgspec
from rocksdict import Rdict

from streams.core.errors import PartitionRed, StreamsError
from streams.core.log import VERSION
from streams.core.schema import SCHEMAS
from streams.core.time import format_time
from streams.runtime import positions, recovery
from streams.runtime.clients import Inquiry
from streams.runtime.rebasing import Base, Changelog
from streams.runtime.restoring import restore
from streams.runtime.snapshots import Bin, Progress, list_snapshots
from streams.runtime.view import open_database
from streams.snapshots.manifest import Wanted
from streams.snapshots.names import Place, Position

log = logging.getLogger(__name__)

LARGE = 64 << 20


class Begun(msgspec.Struct, frozen=True):
    """An open database, and where it came from: local, s3, changelog or defaults."""

    db: Rdict
    source: str
    snapshot: str = ""
    """Name of the one that it is, if it is."""


class Beginning(msgspec.Struct, frozen=True):
    """Finds what a partition begins from.

    Parameters
    ----------
    path : Path
        Of the local state.
    snapshots : Bin, optional
        Where snapshots are; None: there are none.
    not_before : int
        Microseconds. The changelog may have lost tombstones that are older: a state that is, and
        has missed something since, could bring removed rows back.
    distrusted : collection of str
        Names of snapshots that turned out to be damaged.
    """

    inquiry: Inquiry
    changelog: Changelog
    path: Path
    snapshots: Bin | None
    place: Place
    not_before: int
    base: Base | None = None
    """Writes what an adopted changelog begins with."""
    distrusted: Collection[str] = ()

    async def begin(self) -> Begun:
        """Open what there is.

        Raises
        ------
        PartitionRed
            The changelog is not the one that was written, or has lost records.
        """
        changelog, path = self.changelog, self.path
        first, end = await self.inquiry.bounds(changelog.tp)
        if changelog.made_anew:
            raise self._red("it was made anew")
        if first > (changelog.start or 0):
            raise self._red(f"it begins at {first} and has lost its first records")
        now = Position(changelog.incarnation, end)
        db = recovery.open_local(path)
        try:
            local = _position(db)
            time = positions.read_number(db, positions.CHANGELOG_TIME_KEY)
            why = None
        except Exception as error:
            # Its first rows show that it is damaged.
            local, time, why = None, None, str(error)
        if local is not None and local.incarnation == now.incarnation and local <= now:
            if local == now or time is None or time >= self.not_before:
                return Begun(db, "local")
            why = f"it ends at {format_time(time)}, and the changelog has lost tombstones since"
        recovery.close(db)
        if local is not None and local > now:
            raise self._red(f"local state is at {local.offset} of it, and it ends at {end}")
        if local is not None and why is None and changelog.start is None:
            why = "it is of another changelog"
        if why is not None:
            log.error("local state of %s/%d: %s", self.place.topic, self.place.partition, why)
            recovery.put_aside(path)
        if why is not None or local is None:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
            local = None
        known = await self._newest(now)
        restored = path.with_name(f"{path.name}.new")
        await asyncio.to_thread(shutil.rmtree, restored, ignore_errors=True)
        if (name := await self._restore(now.incarnation, end, restored)) is not None:
            self._replace(restored)
            # Not looked at: a checkpoint has no logs, and each file was verified.
            return Begun(open_database(path), "s3", name)
        if changelog.start is None:
            return Begun(open_database(path), "local")
        return await self._adopted(local, known)

    async def _adopted(self, local: Position | None, known: Position | None) -> Begun:
        """Begin an adopted changelog, or go on with what another owner began."""
        changelog, path = self.changelog, self.path
        assert changelog.start is not None
        beside = path.with_name(f"{path.name}.changelog")
        await asyncio.to_thread(shutil.rmtree, beside, ignore_errors=True)
        held = open_database(beside)
        try:
            await recovery.replay_changelog(self.inquiry, changelog.tp, held, start=changelog.start)
            if positions.read_number(held, positions.BASE_KEY) == changelog.incarnation:
                held.put(positions.INCARNATION_KEY, positions.number(changelog.incarnation))
                source = "changelog"
            else:
                source = await self._write_base(local, known, held)
        finally:
            recovery.close(held)
        if source in ("changelog", "defaults"):
            self._replace(beside)
        await asyncio.to_thread(shutil.rmtree, beside, ignore_errors=True)
        return Begun(open_database(path), source)

    async def _write_base(self, local: Position | None, known: Position | None, held: Rdict) -> str:
        """Write the newest state of the incarnations before; returns where it came from."""
        assert self.base is not None
        source = "defaults" if local is None else "local"
        if known is not None and (local is None or known > local):
            restored = self.path.with_name(f"{self.path.name}.base")
            await asyncio.to_thread(shutil.rmtree, restored, ignore_errors=True)
            if await self._restore(known.incarnation, None, restored) is not None:
                self._replace(restored)
                source = "s3"
        name = self.changelog.tp.topic
        log.warning("%s[%d] begins with what is left: %s", name, self.place.partition, source)
        if source == "defaults":
            await self.base.write(self.changelog, held, None)
            return source
        db = open_database(self.path)
        try:
            await self.base.write(self.changelog, db, held)
        finally:
            recovery.close(db)
        return source

    async def _newest(self, now: Position) -> Position | None:
        """Return where the newest snapshot stands, None if there is none that can be heard of.

        Raises
        ------
        PartitionRed
            It holds more than the changelog.
        """
        if self.snapshots is None:
            return None
        try:
            listed = await list_snapshots(self.snapshots, self.place)
        except (StreamsError, OSError) as error:
            log.error("snapshots can't be listed: %s", error)
            return None
        newest = max((one.position for one in listed), default=None)
        if newest is not None and newest > now:
            where = f"{newest.incarnation}-{newest.offset}"
            raise self._red(f"a snapshot is of {where}, and it ends at {now.offset}")
        return newest

    async def _restore(self, incarnation: int, end: int | None, into: Path) -> str | None:
        """Make a folder from a snapshot of an incarnation; returns its name."""
        if self.snapshots is None:
            return None
        place = self.place
        wanted = Wanted(
            place=place,
            incarnation=incarnation,
            end=end,
            # A base is written whole: it needs no tombstone of the changelog's.
            not_before=0 if end is None else self.not_before,
            fold_version=VERSION,
            schemas=SCHEMAS,
        )
        try:
            restored = await restore(
                *(self.snapshots, wanted, into),
                progress=each_tenth(f"{place.topic}/{place.partition}"),
                distrusted=self.distrusted,
            )
        except (StreamsError, OSError) as error:
            log.error("no snapshot of %s/%d: %s", place.topic, place.partition, error)
            return None
        if restored is None:
            return None
        log.info("%s/%d begins from %s", place.topic, place.partition, restored.name)
        return restored.name

    def _replace(self, folder: Path) -> None:
        """Make a closed database the local state."""
        if self.path.exists():
            recovery.put_aside(self.path)
        folder.rename(self.path)

    def _red(self, why: str) -> PartitionRed:
        tp = self.changelog.tp
        return PartitionRed(f"{tp.topic}/{tp.partition}: {why}. {self.changelog.adopt_hint}")


def each_tenth(of: str) -> Progress:
    """Log each tenth of a download that is large enough to be waited for."""
    told = 0

    def progress(done: int, total: int) -> None:
        nonlocal told
        if total >= LARGE and (tenths := done * 10 // total) > told:
            told = tenths
            log.info("%s: %d of %d MB fetched", of, done >> 20, total >> 20)

    return progress


def _position(db: Rdict) -> Position | None:
    offset = positions.read_number(db, positions.CHANGELOG_KEY)
    if offset is None:
        return None
    return Position(positions.read_number(db, positions.INCARNATION_KEY) or 0, offset)
