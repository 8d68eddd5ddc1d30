"""streams_memory_bytes: the tenants whose memory takes the most, found a few rows a tick.

A pass over all tenants is spread over ticks, so that a worker with a hundred thousand of them is
never held up by a look at its metrics.
"""

from collections.abc import Mapping
from heapq import nlargest

from streams.core.fold import Reader
from streams.memory.rows import BytesRow, tenant_of
from streams.runtime import metrics

TOP = 20
AT_ONCE = 2_000
"""Tenants that one tick looks at: a few milliseconds."""


class TenantBytes:
    """Looks at a process's partitions, again and again."""

    def __init__(self) -> None:
        self._partition = 0
        self._start: bytes | None = None
        self._most: list[tuple[int, str]] = []

    def look(self, readers: Mapping[int, Reader]) -> None:
        """Look at the next tenants; at the end of a pass show what was found.

        Parameters
        ----------
        readers : mapping
            Rows of each partition that is open here.
        """
        left = AT_ONCE
        for partition in sorted(readers):
            if partition < self._partition:
                continue
            start = self._start if partition == self._partition else None
            for key, row in readers[partition].scan(BytesRow, BytesRow.kind, start=start):
                if left == 0:
                    self._partition, self._start = partition, key
                    self._most = nlargest(TOP, self._most)
                    return
                self._most.append((row.used, tenant_of(key)))
                left -= 1
        metrics.MEMORY_BYTES.clear()
        for used, tenant in nlargest(TOP, self._most):
            metrics.MEMORY_BYTES.labels(tenant).set(used)
        self._partition, self._start, self._most = 0, None, []
