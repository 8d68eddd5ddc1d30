"""Bring a snapshot back into a folder, each file verified; else the one before it."""

import asyncio
import hashlib
import logging
import os
import shutil
from collections.abc import Collection
from itertools import count
from pathlib import Path

import msgspec

from streams.core.errors import ObjectMissing, StreamsError
from streams.runtime.failpoints import reach
from streams.runtime.snapshots import (
    Bin,
    Listed,
    Progress,
    list_snapshots,
    read_manifest,
    together,
)
from streams.snapshots.manifest import BadManifest, File, Manifest, Wanted

log = logging.getLogger(__name__)

PARALLEL = 8
_number = count()


class Passed(msgspec.Struct, frozen=True):
    """A snapshot that was not used."""

    name: str
    why: str


class Restored(msgspec.Struct, frozen=True):
    """What a folder was made from."""

    name: str
    manifest: Manifest
    bytes: int
    """Downloaded ones."""
    passed: tuple[Passed, ...]
    """Newer ones that could not be used."""


class BadFile(StreamsError):
    """An object is not what the manifest says."""


async def restore(
    of: Bin,
    wanted: Wanted,
    into: Path,
    *,
    progress: Progress | None = None,
    passed: list[Passed] | None = None,
    distrusted: Collection[str] = (),
) -> Restored | None:
    """Make a folder from the newest snapshot that is whole and wanted.

    What was downloaded is kept beside it until it is whole, so that a restore that was killed, or
    one that falls back, goes on from there.

    Parameters
    ----------
    into : Path
        Must not exist; it appears when it is whole.
    passed : list of Passed, optional
        Gets those that are not used; else the log tells of them.
    distrusted : collection of str
        Names of snapshots not to use: a database that began from one turned out to be damaged.

    Returns
    -------
    Restored or None
        None: there is no such snapshot; the log says why each was passed over.

    Raises
    ------
    ObjectStoreError
        The store can't be asked: this says nothing about its snapshots.
    """
    told, passed = passed is not None, [] if passed is None else passed
    files = into.with_name(f"{into.name}.files")
    for listed in reversed(await list_snapshots(of, wanted.place)):
        if listed.name in distrusted:
            passed.append(Passed(listed.name, "a database made from it was damaged"))
            continue
        if not wanted.may_be(listed.position):
            passed.append(Passed(listed.name, "it is of another changelog"))
            continue
        try:
            manifest = await read_manifest(of, listed)
            if (why := wanted.refusal(manifest, listed.position)) is not None:
                raise BadManifest(why)
            size = await _download(of, manifest, files, progress)
        except (BadManifest, BadFile, ObjectMissing) as error:
            if not told:
                log.error("snapshot %s is not used: %s", listed.name, error)
            passed.append(Passed(listed.name, str(error)))
            continue
        await asyncio.to_thread(_assemble, manifest, files, into)
        reach("restore.assembled")
        return Restored(listed.name, manifest, size, tuple(passed))
    await asyncio.to_thread(shutil.rmtree, files, ignore_errors=True)
    return None


async def verify(of: Bin, listed: Listed, scratch: Path) -> str | None:
    """Read a whole snapshot and say what is wrong with it, None when nothing is.

    Parameters
    ----------
    scratch : Path
        A folder for one file at a time.
    """
    try:
        manifest = await read_manifest(of, listed)
        for file in manifest.objects:
            path = scratch / file.sha256
            try:
                await asyncio.to_thread(_fetch, of, file, path)
            finally:
                path.unlink(missing_ok=True)
    except (BadManifest, BadFile, ObjectMissing) as error:
        return str(error)
    return None


async def _download(of: Bin, manifest: Manifest, files: Path, progress: Progress | None) -> int:
    """Fetch what is not there yet; returns the bytes fetched."""
    await asyncio.to_thread(files.mkdir, parents=True, exist_ok=True)
    total = sum(file.size for file in manifest.objects)
    done = fetched = 0

    async def one(file: File) -> None:
        nonlocal done, fetched
        size = await asyncio.to_thread(_fetch, of, file, files / file.sha256)
        reach("restore.fetched")
        fetched += size
        done += file.size
        if progress is not None:
            progress(done, total)

    distinct = {file.sha256: file for file in manifest.objects}
    await together(PARALLEL, one, distinct.values())
    return fetched


def _fetch(of: Bin, file: File, path: Path) -> int:
    """Fetch and check a file unless it is there and right; returns the bytes fetched."""
    if path.exists() and _wrong(file, path) is None:
        return 0
    # Under a name of its own: a thread of a restore that was cancelled may still be at it.
    fetching = path.with_name(f"{path.name}.{next(_number)}")
    of.store.fetch(of.layout.object(file.sha256), fetching)
    why = _wrong(file, fetching)
    if why is not None:
        fetching.unlink()
        raise BadFile(f"{file.name} ({file.sha256}) {why}")
    fetching.replace(path)
    return file.size


def _wrong(file: File, path: Path) -> str | None:
    size = path.stat().st_size
    if size != file.size:
        return f"has {size} bytes instead of {file.size}"
    with path.open("rb") as data:
        if hashlib.file_digest(data, "sha256").hexdigest() != file.sha256:
            return "has other bytes"
    return None


def _assemble(manifest: Manifest, files: Path, into: Path) -> None:
    """Give the files their names and the folder its own, last."""
    whole = into.with_name(f"{into.name}.whole")
    shutil.rmtree(whole, ignore_errors=True)
    whole.mkdir(parents=True)
    for file in manifest.files:
        path = whole / file.name
        if file.text:
            path.write_text(file.text)
        else:
            # Linked: of one content there may be two files, and a kill here costs nothing.
            path.hardlink_to(files / file.sha256)
        # Its bytes are old, whatever the clock says: an upload must not take them for new ones.
        os.utime(path, (0, 0))
    whole.rename(into)
    shutil.rmtree(files, ignore_errors=True)
