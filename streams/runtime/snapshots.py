"""Bring a checkpoint of a partition's database into the object store, and list what is there.

The steps of a snapshot, in order:

 1. checkpoint  hard links to the database's tables, as after one WriteBatch (`take_checkpoint`)
 2. hash        the files; what was hashed before is remembered
 3. look        the partition's newest manifest, then which objects there are
 4. upload      what is missing (streams/snapshots/upload.py says what that is)
 5. settle      only where old content came back: wait, then look whether it is still there
 6. commit      the manifest, if absent, within COMMIT_WITHIN of step 3

Whoever dies on the way leaves objects that nobody names, and no snapshot.
"""

import asyncio
import hashlib
import logging
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec
from rocksdict import Checkpoint, Rdict

from streams.core.errors import Failed, ObjectMissing
from streams.core.time import SECOND
from streams.ports import ObjectStore
from streams.runtime.failpoints import reach
from streams.runtime.view import lost_by
from streams.snapshots.garbage import COMMIT_WITHIN, SETTLE
from streams.snapshots.manifest import BadManifest, File, Manifest, decode, encode
from streams.snapshots.names import Layout, Place, Position
from streams.snapshots.upload import Held, LocalFile, plan_upload

log = logging.getLogger(__name__)

Item = TypeVar("Item")
T = TypeVar("T")

PARALLEL = 4
"""Files at a time: a bucket's speed without a worker's memory or threads."""
COMPACTION_SECONDS = 30.0
"""So long a checkpoint waits for a compaction to end."""
_LOOK_SECONDS = 0.02
_LINE = 1 << 10
_UNNEEDED = ("OPTIONS-", "LOG", "LOCK", "IDENTITY", "rocksdict-config.json")
"""RocksDB makes them anew."""

Clock = Callable[[], int]
"""Microseconds since 1970."""
Progress = Callable[[int, int], None]
"""Bytes done, bytes in all."""


class Bin(msgspec.Struct, frozen=True):
    """Where snapshots are kept: a store, and the names in it."""

    store: ObjectStore
    layout: Layout


class Uploaded(msgspec.Struct, frozen=True):
    """What an upload did."""

    name: str
    """Of the manifest."""
    committed: bool
    """False: this position had a snapshot already."""
    files: int
    """Uploaded ones."""
    bytes: int
    """Uploaded ones, the manifest included."""
    total_bytes: int
    """Of the whole snapshot."""


class Listed(msgspec.Struct, frozen=True):
    """A manifest that lies in the store."""

    name: str
    place: Place
    position: Position
    modified: int


def take_checkpoint(db: Rdict, folder: Path) -> None:
    """Make a checkpoint; blocks, for a thread. Writes go on meanwhile, but for the last step.

    rocksdict holds the interpreter's lock in create_checkpoint, not in flush: flushed first, the
    checkpoint has little to write, and does not wait for a compaction while all else stands still
    (docs/decisions/0014-snapshots.md).

    Raises
    ------
    StoreDamaged
        The database has bytes that are wrong.
    Failed
        It was not possible: no space, for one.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    waited = 0.0
    while db.property_int_value("rocksdb.num-running-compactions") and waited < COMPACTION_SECONDS:
        time.sleep(_LOOK_SECONDS)
        waited += _LOOK_SECONDS
    try:
        db.flush()
        Checkpoint(db).create_checkpoint(str(folder))
    except Exception as error:
        raise (lost_by(error) or Failed(f"no checkpoint: {error}")) from None
    reach("snapshot.checkpointed")


class Hashes:
    """sha256 of files, each read once: tables never change, and a checkpoint links to them."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, int], str] = {}

    def describe(self, checkpoint: Path) -> list[LocalFile]:
        """Describe the files that a restore needs, in order of their names; blocks."""
        paths = sorted(path for path in checkpoint.iterdir() if not _unneeded(path))
        newest_table = max(
            (_written_at(path) for path in paths if path.suffix == ".sst"), default=0
        )
        known, described = {}, []
        for path in paths:
            status = path.stat()
            key = (path.name, status.st_ino, status.st_size, status.st_mtime_ns)
            known[key] = sha256 = self._known.get(key) or _sha256(path)
            text = path.read_text() if path.name == "CURRENT" and status.st_size < _LINE else ""
            # A MANIFEST is copied, and says something new when it names a new table.
            old = path.suffix != ".sst" and not path.name.startswith("MANIFEST-")
            written_at = 0 if old else min(_written_at(path), newest_table)
            described.append(LocalFile(File(path.name, sha256, status.st_size, text), written_at))
        self._known = known
        return described


async def upload(
    into: Bin,
    checkpoint: Path,
    about: Manifest,
    *,
    hashes: Hashes,
    now: Clock,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    progress: Progress | None = None,
) -> Uploaded:
    """Upload a checkpoint and commit its manifest.

    Parameters
    ----------
    about : Manifest
        All but the files.
    sleep : callable
        Waits so many seconds.

    Raises
    ------
    Failed
        The store failed, or it took longer than COMMIT_WITHIN: nothing was committed, and what was
        uploaded need not be again.
    """
    store, layout = into.store, into.layout
    name = layout.manifest(about.place, about.position)
    files = await asyncio.to_thread(hashes.describe, checkpoint)
    total = sum(local.file.size for local in files)
    began = now()
    if any(found.name == name for found in await list_snapshots(into, about.place)):
        return Uploaded(name, False, 0, 0, total)
    newest = await _newest(into, about.place)
    sent_files = sent_bytes = 0
    settled: frozenset[str] = frozenset()
    while True:
        looked = now()
        stored = await _objects(into)
        reach("snapshot.looked")
        plan = plan_upload(files, newest, stored, looked, settled)
        if not plan.upload:
            break
        size = sum(file.size for file in plan.upload)
        done = 0

        async def put(file: File, size: int = size) -> None:
            nonlocal done
            await asyncio.to_thread(store.put, layout.object(file.sha256), checkpoint / file.name)
            reach("snapshot.uploaded")
            done += file.size
            if progress is not None:
                progress(done, size)

        await together(PARALLEL, put, plan.upload)
        sent_files, sent_bytes = sent_files + len(plan.upload), sent_bytes + size
        if not plan.settle:
            break
        log.info("%s: old files were uploaded again; settling", name)
        await sleep(SETTLE / SECOND)
        settled |= {file.sha256 for file in plan.upload}
    data = encode(msgspec.structs.replace(about, files=tuple(local.file for local in files)))
    if now() - began > COMMIT_WITHIN:
        raise Failed(f"{name}: the upload took more than {COMMIT_WITHIN // SECOND} s")
    reach("snapshot.committing")
    committed = await asyncio.to_thread(store.put_if_absent, name, data)
    reach("snapshot.committed")
    return Uploaded(name, committed, sent_files, sent_bytes + len(data), total)


async def list_snapshots(of: Bin, place: Place | None = None) -> list[Listed]:
    """List the manifests of a partition, or of all, oldest first."""
    prefix = of.layout.root if place is None else of.layout.folder(place)
    found = []
    for stored in await asyncio.to_thread(lambda: list(of.store.list(prefix))):
        named = of.layout.read_manifest(stored.name)
        if named is not None:
            found.append(Listed(stored.name, *named, stored.modified))
    return sorted(found, key=lambda listed: (listed.place, listed.position))


async def read_manifest(of: Bin, listed: Listed) -> Manifest:
    """Read a manifest and check that it says what its name says.

    Raises
    ------
    BadManifest, ObjectMissing
    """
    manifest = decode(await asyncio.to_thread(of.store.get, listed.name))
    if (manifest.place, manifest.position) != (listed.place, listed.position):
        raise BadManifest("it does not say what its name says")
    return manifest


async def together(
    parallel: int, work: Callable[[Item], Awaitable[T]], items: Iterable[Item]
) -> list[T]:
    """Do it for all, so many at a time; the first error cancels the others, but not their threads.

    What is cancelled before its turn never begins.
    """
    turns = asyncio.Semaphore(parallel)

    async def one(item: Item) -> T:
        async with turns:
            return await work(item)

    tasks = [asyncio.ensure_future(one(item)) for item in items]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _newest(into: Bin, place: Place) -> Manifest | None:
    """Return the partition's newest manifest; None when there is none that can be read."""
    listed = await list_snapshots(into, place)
    if not listed:
        return None
    try:
        return await read_manifest(into, listed[-1])
    except (BadManifest, ObjectMissing) as error:
        log.warning("%s: %s", listed[-1].name, error)
        return None


async def _objects(into: Bin) -> dict[str, Held]:
    """What is there, by sha256."""
    found = {}
    for stored in await asyncio.to_thread(lambda: list(into.store.list(into.layout.objects))):
        sha256 = into.layout.read_object(stored.name)
        if sha256 is not None:
            found[sha256] = Held(stored.modified, stored.size)
    return found


def _unneeded(path: Path) -> bool:
    return path.name.startswith(_UNNEEDED) or (path.suffix == ".log" and not path.stat().st_size)


def _written_at(path: Path) -> int:
    return path.stat().st_mtime_ns // 1000


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
