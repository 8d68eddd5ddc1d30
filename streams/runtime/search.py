"""Search of one process: the question's vector, the tenant's index, the accesses it counts."""

import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from streams.core.fold import Rows
from streams.core.log import Vector
from streams.core.rows import tenant_key
from streams.core.time import format_time
from streams.memory.answer import Answer, answer
from streams.memory.index import TenantIndex
from streams.memory.question import Question
from streams.memory.rows import CountRow
from streams.ports import LocalPartition
from streams.runtime import metrics
from streams.runtime.indexes import Indexes

Count = Callable[[str, Sequence[str]], None]
"""Takes a tenant and the memories that were given out."""
Embed = Callable[[str], Awaitable[Vector | None]]
"""Vector of a question; None when there is no model to be had, or not in time."""


async def no_model(text: str) -> None:
    """Embed nothing: search goes by words."""


def not_counted(tenant: str, memory_ids: Sequence[str]) -> None:
    """Count no access."""


class Search:
    """Finds memories in the partitions that this process folds (ports.Finder)."""

    def __init__(self, limit: int, *, embed: Embed = no_model, count: Count = not_counted) -> None:
        self.indexes = Indexes(limit)
        self._embed = embed
        self._count = count

    async def find(self, local: LocalPartition, tenant: str, question: Question) -> msgspec.Raw:
        """Answer a question; each result is one access, unless it is to be explained."""
        began = time.perf_counter()
        if local.reader.get(CountRow, tenant_key(CountRow, tenant)) is None:
            # No index for whoever only asks: names of tenants are anybody's to invent.
            return _nothing(local.log_time)
        filters = question.filters()
        vector = await self._embed(question.query)

        def work(index: TenantIndex, rows: Rows, now: int) -> Answer:
            return answer(index, rows, tenant, question, filters, now=now, vector=vector)

        found = await self.indexes.use(local, tenant, work)
        if not question.explain:
            self._count(tenant, found.ids)
        metrics.SEARCH_SECONDS.observe(time.perf_counter() - began)
        return found.body

    async def stop(self) -> None:
        """Drop the indexes and end their threads."""
        await self.indexes.stop()


def _nothing(now: int) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({"results": [], "as_of": format_time(now)}))
