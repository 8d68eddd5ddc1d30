"""Databases, checkpoints and stores to test snapshots with."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rocksdict import Rdict, WriteBatch

from streams.core.errors import ObjectStoreError
from streams.ports import ObjectStore, StoredObject
from streams.runtime import positions
from streams.runtime.snapshots import Bin, Hashes, Uploaded, take_checkpoint, upload
from streams.runtime.view import open_database
from streams.snapshots.names import Layout
from tests.snapshots.manifests import manifest

LAYOUT = Layout.of("agent-state")
ROWS = 300


def write(db: Rdict, offset: int, count: int = ROWS) -> None:
    """A chunk: rows that say which, and its changelog offset, in one batch."""
    batch = WriteBatch(raw_mode=True)
    for n in range(count):
        batch.put(b"!m%06d" % n, b"%d" % offset)
    batch.put(positions.CHANGELOG_KEY, positions.number(offset))
    db.write(batch)


def rows(folder: Path) -> dict[bytes, bytes]:
    """All rows of a database that is not open."""
    db = open_database(folder)
    try:
        return dict(db.items())
    finally:
        db.close()


class Worker:
    """Makes snapshots of one database."""

    def __init__(self, store: ObjectStore, folder: Path, now: Callable[[], int]) -> None:
        self.bin = Bin(store, LAYOUT)
        self.folder = folder
        self.db = open_database(folder / "live")
        self.hashes = Hashes()
        self.now = now
        self.slept: list[float] = []

    async def snapshot(self, offset: int, **fields: Any) -> Uploaded:
        """Write a chunk and make a snapshot of it."""
        write(self.db, offset)
        take_checkpoint(self.db, self.folder / "checkpoint")
        return await self.again(offset, **fields)

    async def again(self, offset: int, **fields: Any) -> Uploaded:
        """Upload the last checkpoint."""

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        return await upload(
            self.bin,
            self.folder / "checkpoint",
            manifest(changelog_offset=offset, **fields),
            hashes=self.hashes,
            now=self.now,
            sleep=sleep,
        )


class Wrapped:
    """A store that does as another; tests change one of its methods."""

    def __init__(self, store: ObjectStore) -> None:
        self.inner = store

    @property
    def where(self) -> str:
        return self.inner.where

    def put(self, name: str, data: bytes | Path) -> None:
        self.inner.put(name, data)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        return self.inner.put_if_absent(name, data)

    def get(self, name: str) -> bytes:
        return self.inner.get(name)

    def fetch(self, name: str, path: Path) -> None:
        self.inner.fetch(name, path)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        return self.inner.list(prefix)

    def delete(self, names: Sequence[str]) -> None:
        self.inner.delete(names)


class Failing(Wrapped):
    """Fails the n-th request on, as a server does that answers 500 to the last retry too."""

    def __init__(self, store: ObjectStore, after: int) -> None:
        super().__init__(store)
        self.left = after

    def _one_more(self) -> None:
        if self.left == 0:
            raise ObjectStoreError(f"{self.where}: InternalError: we encountered an error")
        self.left -= 1

    def put(self, name: str, data: bytes | Path) -> None:
        self._one_more()
        super().put(name, data)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        self._one_more()
        return super().put_if_absent(name, data)

    def get(self, name: str) -> bytes:
        self._one_more()
        return super().get(name)

    def fetch(self, name: str, path: Path) -> None:
        self._one_more()
        super().fetch(name, path)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        self._one_more()
        return super().list(prefix)

    def delete(self, names: Sequence[str]) -> None:
        self._one_more()
        super().delete(names)
