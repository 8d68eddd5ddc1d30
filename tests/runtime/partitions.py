"""A partition over RocksDB, folded by hand with the real folds: no Kafka and no Faust."""

from collections.abc import Sequence
from pathlib import Path

from memory.memory_log import MemoryLog
from rocksdict import WriteBatch

from streams.core.fold import Entry
from streams.ports import Watcher
from streams.runtime.view import (
    BufferedView,
    DatabaseReader,
    SnapshotRows,
    open_database,
    write,
)


class Partition:
    """What the API sees of a store (ports.LocalPartition)."""

    def __init__(self, path: Path) -> None:
        self.db = open_database(path)
        self.reader = DatabaseReader(self.db)
        self.watcher: Watcher | None = None
        self.log_time = 0
        self.offset = -1
        self.view = BufferedView(self.db)
        self.log = MemoryLog(view=self.view)  # type: ignore[arg-type]

    def snapshot(self) -> SnapshotRows:
        return SnapshotRows(self.db)

    async def wait_folded(self, next_offset: int, timeout: float) -> bool:
        return True

    def commit(self) -> None:
        """Write what was folded since the last time, as a store does with a chunk."""
        rows = self.view.encoded()
        batch = WriteBatch(raw_mode=True)
        write(batch, rows)
        self.db.write(batch)
        self.view.committed()
        entries: Sequence[Entry] = self.log.entries
        self.log_time = max((entry.log_time for entry in entries), default=0)
        if self.watcher is not None:
            self.watcher.committed(rows)

    async def close(self) -> None:
        if self.watcher is not None:
            await self.watcher.closing()
        self.db.close()
