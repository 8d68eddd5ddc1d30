"""The HTTP API over a folder that a replay has made: reads alone, in this process, no socket.

What commands print of a replay is so what the API would have answered: it is the same code.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx
from rocksdict import Rdict

from streams.core.errors import ApiError, Misuse
from streams.core.log import Vector
from streams.ports import (
    Looked,
    MigrationStatus,
    Outgoing,
    Owner,
    PartitionStatus,
    Produced,
    SnapshotTaken,
    Told,
    Watcher,
)
from streams.runtime import positions
from streams.runtime.embedding import Embedding
from streams.runtime.replayed import read_replayed
from streams.runtime.search import Search
from streams.runtime.view import DatabaseReader, SnapshotRows, open_read_only
from streams.settings import Settings
from streams.web.app import create_app

URL = "http://127.0.0.1"
"""Of no server: requests go to the app as they are."""


def open_replayed(path: Path) -> Rdict:
    """Open a database of a replay for reading: several processes may.

    Raises
    ------
    Misuse
        There is none, or it is damaged.
    """
    try:
        return open_read_only(path)
    except Exception as error:
        raise Misuse(f"{path} can't be opened: {error}") from None


class ReplayedPart:
    """One partition of a replay (ports.LocalPartition)."""

    caught_up = True

    def __init__(self, path: Path) -> None:
        self.db = open_replayed(path)
        self.reader = DatabaseReader(self.db)
        self.watcher: Watcher | None = None
        source = positions.read_source(self.db) or positions.NOTHING
        self.offset = source.offset
        self.log_time = source.log_time

    def snapshot(self) -> SnapshotRows:
        """Return the rows."""
        return SnapshotRows(self.db)

    async def wait_folded(self, next_offset: int, timeout: float) -> bool:
        """Nothing is folded here any more."""
        return self.offset + 1 >= next_offset


class ReplayedCluster:
    """All that there is of a replay (ports.Cluster)."""

    def __init__(self, folder: Path) -> None:
        self._paths = [folder / each.folder for each in read_replayed(folder).tenants]
        self._open: dict[int, ReplayedPart] = {}
        self.partitions = len(self._paths)

    def local(self, partition: int) -> ReplayedPart:
        """Return a partition: each is here."""
        if partition not in self._open:
            self._open[partition] = ReplayedPart(self._paths[partition])
        return self._open[partition]

    def close(self) -> None:
        """Close what was opened."""
        for part in self._open.values():
            part.db.close()

    def owner(self, partition: int) -> Owner | None:
        """Nobody else has one."""

    def owners(self) -> list[Owner]:
        """Nobody else has one."""
        return []

    def control(self) -> Owner | None:
        """Nobody folds it."""

    async def status(self, *, digest: bool) -> list[PartitionStatus]:
        """Nothing runs here."""
        return []

    async def snapshot(self) -> list[SnapshotTaken]:
        """Nothing runs here."""
        return []

    async def erased(self, tenant: str, texts: Sequence[str]) -> list[Looked]:
        """Nothing but its own rows is here."""
        return []

    async def migrations(self, *, rows: bool) -> list[MigrationStatus]:
        """Nothing runs here."""
        return []

    async def migrate(self, *, finalize: bool) -> None:
        """Nothing runs here."""

    async def admitted(self, topic: str, partition: int, offset: int, timeout: float) -> bool:
        """Nothing is admitted here."""
        return False

    async def decided(self, partition: int, offset: int, timeout: float) -> bool:
        """Nothing is decided here."""
        return False

    async def log_end(self, partition: int) -> int:
        """Return where the partition ends."""
        return self.local(partition).offset + 1

    def ready(self) -> str | None:
        """It is."""


class _ReadOnly:
    """ports.Producer, and admit's check: neither is to be had here."""

    async def produce(self, records: Sequence[Outgoing]) -> list[Produced]:
        raise ApiError(403, "forbidden", "a replay can only be read")

    def check(self, *_: object) -> None:
        raise ApiError(403, "forbidden", "a replay can only be read")


class ReplayedApi(httpx.BaseTransport):
    """Answers requests from a replay.

    Parameters
    ----------
    told : callable
        Hears, once, that there is no model for a question's meaning.

    Raises
    ------
    Misuse
        The folder is no replay, or the model that STREAMS_EMBEDDER names can't be loaded.
    """

    def __init__(self, settings: Settings, folder: Path, told: Told) -> None:
        self._settings = settings
        self._told = told
        self._embedding: Embedding | None = None
        self._cluster = ReplayedCluster(folder)
        self._search = Search(settings.memory_bytes, embed=self._embed)
        read_only = _ReadOnly()
        app = create_app(
            cluster=self._cluster,
            producer=read_only,
            check=read_only.check,
            settings=settings,
            finder=self._search,
        )
        self._app = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        self._runner = asyncio.Runner()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Give the request to the app."""
        return self._runner.run(self._answer(request))

    def close(self) -> None:
        """Close the databases."""
        self._runner.run(self._stop())
        self._runner.close()
        self._cluster.close()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._app.handle_async_request(request)
        content = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)

    async def _stop(self) -> None:
        await self._search.stop()
        if self._embedding is not None:
            await self._embedding.stop()

    async def _embed(self, text: str) -> Vector | None:
        """Embed a question with this process's own model."""
        self._embedding = self._embedding or Embedding.of(self._settings)
        if self._embedding is None:
            self._told("no model here: found by words alone")
            return None
        try:
            return await self._embedding.embed_query(text)
        except Exception as error:
            self._told(f"the model does not work ({error}): found by words alone")
            return None
