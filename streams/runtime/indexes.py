"""Indexes of the tenants that were searched last, kept up to date with what the stores commit.

An index is made of one tenant's rows alone; nothing is shared between tenants. Each has a lock:
whoever has its turn is the only one to change or to search it. A copy for each search would cost
more than the search itself, and an index that changed under one would give scores of no moment at
all. A turn begins on the event loop, in one step, with a snapshot of the database and the list of
memories that have changed since the last turn: so an answer stands for one committed moment. The
work itself is done in threads.

The limit bounds what is kept, never what is found: what is over it is built, used and dropped.
"""

import asyncio
import logging
import threading
import traceback
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from streams.core.errors import StoreLost
from streams.core.fold import Reader, Rows
from streams.memory import documents
from streams.memory.hidden import hide
from streams.memory.index import TenantIndex
from streams.memory.rows import MemoryRow, VectorRow
from streams.ports import LocalPartition
from streams.runtime import metrics

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[TenantIndex, Rows, int], T]
"""What is done with an index, the rows of the same moment, and that moment's log time."""

BUILDERS, SEARCHERS = 2, 2
"""Threads: cold builds keep no search of a hot tenant waiting."""
PAGE = 200
"""Memories that a build takes in at once; builds of several tenants take turns between."""
CATCH_UP = 64
"""So many changed memories are taken in without waiting for the next search."""
UNASKED = 1_000
"""Beside as many as it has memories: changes after which an index that nobody asked is dropped."""
_WATCHED = (MemoryRow.kind, VectorRow.kind)


class _Hot:
    """A tenant's index, or its place while it is being built."""

    def __init__(self, tenant: str, local: LocalPartition) -> None:
        self.tenant = tenant
        self.local = local
        self.index: TenantIndex | None = None
        self.nbytes = 0
        self.users = 0
        """Turns that are waited for or under way."""
        self.turn = asyncio.Lock()
        self.changed: dict[str, None] = {}
        """Memories changed since the last turn began, in order."""
        self.unasked = 0
        self.catching_up = False
        self.lost = threading.Event()


class Watch:
    """Hears of one store's commits for the indexes made of its rows (ports.Watcher)."""

    def __init__(self, indexes: "Indexes") -> None:
        self.hot: dict[bytes, _Hot] = {}
        """By tenant, as keys have it."""
        self.reading: set[asyncio.Future[Any]] = set()
        """What threads do with snapshots: the database can't be closed before it is done."""
        self._indexes = indexes

    def committed(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Note which memories of hot tenants have changed."""
        if not self.hot:
            return
        touched: dict[bytes, _Hot] = {}
        for key, _ in rows:
            if key[:2] in _WATCHED:
                tenant, _, memory_id = key[2:].partition(b"\x00")
                if (hot := self.hot.get(tenant)) is not None:
                    hot.changed[memory_id.decode()] = None
                    hot.unasked += 1
                    touched[tenant] = hot
        for hot in touched.values():
            self._indexes.changed(hot)

    async def closing(self) -> None:
        """Drop all that was made of the store's rows, and let go of its database."""
        for hot in list(self.hot.values()):
            self._indexes.drop(hot)
        if self.reading:
            await asyncio.wait(self.reading)


class Indexes:
    """The indexes of one process; ``limit``: bytes of those that nobody is using just now."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._hot: dict[str, _Hot] = {}
        """The one that was asked last is the last."""
        self._nbytes = 0
        self._builders = ThreadPoolExecutor(BUILDERS, "index")
        self._searchers = ThreadPoolExecutor(SEARCHERS, "search")
        self._tasks: set[asyncio.Task[Any]] = set()

    def __contains__(self, tenant: str) -> bool:
        return tenant in self._hot

    @property
    def nbytes(self) -> int:
        """Bytes of all, as of the last turn of each."""
        return self._nbytes

    async def use(self, local: LocalPartition, tenant: str, work: Work[T]) -> T:
        """Do something with a tenant's index, in a thread.

        Raises
        ------
        StoreLost
            The partition went away meanwhile.
        """
        hot = self._place(local, tenant)
        hot.unasked = 0
        # A task of its own: who asked may be gone before the thread is done with the index.
        return await asyncio.shield(self._start(hot, work))

    def changed(self, hot: _Hot) -> None:
        """Take changes in before they are many, unless nobody asks for the index any more."""
        held = 0 if hot.index is None else len(hot.index)
        if hot.users == 0 and hot.unasked > UNASKED + held:
            self.drop(hot)
        elif hot.index is not None and len(hot.changed) >= CATCH_UP and not hot.catching_up:
            hot.catching_up = True
            self._start(hot, _catch_up)

    def drop(self, hot: _Hot) -> None:
        """Forget an index; who waits for it hears that the store is lost."""
        self._account(hot, 0)
        hot.lost.set()
        if self._hot.get(hot.tenant) is hot:
            del self._hot[hot.tenant]
        here = _watch(hot).hot
        if here.get(hot.tenant.encode()) is hot:
            del here[hot.tenant.encode()]

    async def stop(self) -> None:
        """Drop all, and end the threads."""
        for hot in list(self._hot.values()):
            self.drop(hot)
        if self._tasks:
            await asyncio.wait(self._tasks)
        for threads in (self._builders, self._searchers):
            threads.shutdown(wait=False, cancel_futures=True)

    def _place(self, local: LocalPartition, tenant: str) -> _Hot:
        hot = self._hot.pop(tenant, None)
        if hot is not None and hot.local is not local:
            self.drop(hot)
            hot = None
        if hot is None:
            hot = _Hot(tenant, local)
            if local.watcher is None:
                local.watcher = Watch(self)
            _watch(hot).hot[tenant.encode()] = hot
        self._hot[tenant] = hot
        return hot

    # -- turns ---------------------------------------------------------------------------------

    def _start(self, hot: _Hot, work: Work[T]) -> "asyncio.Task[T]":
        hot.users += 1
        turn: Coroutine[Any, Any, T] = self._turn(hot, work)
        task = asyncio.create_task(turn, name=f"index of {hot.tenant}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            level = logging.INFO if isinstance(error, StoreLost) else logging.ERROR
            log.log(level, "%s: %r", task.get_name(), error)

    async def _turn(self, hot: _Hot, work: Work[T]) -> T:
        try:
            async with hot.turn:
                if hot.index is None:
                    hot.index = await self._built(hot)
                try:
                    return await self._done(hot, hot.index, work)
                except BaseException:
                    # It may be half way through a change.
                    self.drop(hot)
                    raise
        finally:
            hot.users -= 1
            self._evict()

    async def _built(self, hot: _Hot) -> TenantIndex:
        """Build an index a page at a time; each page may be of another moment.

        What changes meanwhile is noted, and read again before the index is used.
        """
        hot.changed.clear()
        index = TenantIndex()
        start: bytes | None = b""
        while start is not None:
            page = partial(_take_in, index, hot.local.reader, hot.tenant, start, hot.lost)
            start = await self._run(self._builders, hot, page)
        return index

    async def _done(self, hot: _Hot, index: TenantIndex, work: Work[T]) -> T:
        _check(hot.lost)
        # One step of the event loop up to the snapshot: it holds what was noted, and nothing else.
        changed, hot.changed, hot.catching_up = list(hot.changed), {}, False
        log_time, rows = hot.local.log_time, hot.local.snapshot()

        def do() -> tuple[T, int]:
            try:
                _follow(index, rows, hot.tenant, changed, hot.lost)
                hide(index, rows, hot.tenant, log_time)
                return work(index, rows, log_time), index.nbytes
            finally:
                rows.close()

        done, nbytes = await self._run(self._searchers, hot, do)
        self._account(hot, nbytes)
        return done

    async def _run(self, threads: ThreadPoolExecutor, hot: _Hot, do: Callable[[], T]) -> T:
        reading = _watch(hot).reading
        future = asyncio.get_running_loop().run_in_executor(threads, _let_go, do)
        reading.add(future)
        future.add_done_callback(reading.discard)
        return await future

    def _account(self, hot: _Hot, nbytes: int) -> None:
        if not hot.lost.is_set():
            self._nbytes += nbytes - hot.nbytes
            hot.nbytes = nbytes
            metrics.SEARCH_INDEX_BYTES.set(self._nbytes)

    def _evict(self) -> None:
        """Drop what was asked longest ago until the rest is within the limit."""
        for hot in list(self._hot.values()):
            if self._nbytes <= self._limit:
                break
            if hot.users == 0:
                self.drop(hot)


def _watch(hot: _Hot) -> Watch:
    watch = hot.local.watcher
    assert isinstance(watch, Watch)
    return watch


def _let_go(do: Callable[[], T]) -> T:
    try:
        return do()
    except BaseException as error:
        # A frame that the traceback keeps would keep an iterator, and that the database open.
        traceback.clear_frames(error.__traceback__)
        raise


def _take_in(
    index: TenantIndex, reader: Reader, tenant: str, start: bytes, lost: threading.Event
) -> bytes | None:
    """Take in the next page of memories; where the one after it starts."""
    _check(lost)
    page, after = documents.page(reader, tenant, start, PAGE)
    for document in page:
        _check(lost)
        index.put(document)
    return after


def _follow(
    index: TenantIndex, rows: Rows, tenant: str, changed: list[str], lost: threading.Event
) -> None:
    """Make these memories what they are in the rows."""
    for memory_id in changed:
        _check(lost)
        document = documents.document(rows, tenant, memory_id)
        if document is None:
            index.remove(memory_id)
        else:
            index.update(document)


def _check(lost: threading.Event) -> None:
    if lost.is_set():
        raise StoreLost("the partition is being taken over")


def _catch_up(index: TenantIndex, rows: Rows, log_time: int) -> None:
    """Nothing beyond taking in what has changed."""
