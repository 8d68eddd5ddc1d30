"""Which memories nobody sees any more, though ticks have not removed them yet."""

import numpy as np

from streams.core.fold import Rows
from streams.core.time import SECOND
from streams.memory.document import NO_TTL
from streams.memory.forget_rows import rules_of
from streams.memory.index import TenantIndex
from streams.memory.memory_row import MemoryRow
from streams.memory.retention import is_due


class Hidden:
    """What is hidden of one tenant at a log time."""

    def __init__(self, rows: Rows, tenant: str, log_time: int) -> None:
        self.rules = rules_of(rows, tenant)
        self._rows = rows
        self._tenant = tenant
        self._log_time = log_time

    def hides(self, memory_id: str, row: MemoryRow) -> bool:
        """Whether a memory is gone for whoever reads."""
        return is_due(row, self.rules, self._log_time)


def hide(index: TenantIndex, rows: Rows, tenant: str, log_time: int) -> None:
    """Take out of an index what nobody sees any more; the rows are of the same moment."""
    rules = rules_of(rows, tenant)
    ttls = index.ttls
    if rules is not None:
        if rules.default_ttl is not None:
            ttls = np.where(ttls == NO_TTL, rules.default_ttl, ttls)
        ttls = np.where(ttls >= 0, np.maximum(ttls, rules.min_ttl or 0), ttls)
    due = index.alive & (ttls >= 0) & (index.timestamps + ttls * SECOND <= log_time)
    for memory_id in [index.ids[slot] for slot in np.flatnonzero(due)]:
        index.remove(memory_id)
