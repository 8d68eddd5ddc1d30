"""Which memories nobody sees any more, though ticks have not removed them yet."""

import numpy as np
from numpy.typing import NDArray

from streams.core.fold import Rows
from streams.core.rows import tenant_key
from streams.core.time import SECOND
from streams.memory.document import NO_TTL
from streams.memory.facets import SUBJECT
from streams.memory.fences import fenced
from streams.memory.forget_rows import Erasure, ForgetRow, rules_of
from streams.memory.holds import held
from streams.memory.index import TenantIndex
from streams.memory.memory_row import MemoryRow
from streams.memory.retention import is_due
from streams.memory.rows import memory_key


class Hidden:
    """What is hidden of one tenant at a log time."""

    def __init__(self, rows: Rows, tenant: str, log_time: int) -> None:
        self.rules = rules_of(rows, tenant)
        self._rows = rows
        self._tenant = tenant
        self._log_time = log_time
        self.erasures: tuple[Erasure, ...] = ()
        if self.rules is not None and self.rules.fences:
            # Without any, what is covered by a fence is not there.
            open_ = rows.get(ForgetRow, tenant_key(ForgetRow, tenant))
            self.erasures = () if open_ is None else open_.erasures
        self._erasing = bool(self.erasures)

    def hides(self, memory_id: str, row: MemoryRow) -> bool:
        """Whether a memory is gone for whoever reads."""
        gone = is_due(row, self.rules, self._log_time) or (
            self._erasing
            and fenced(self._rows, self.rules, self._tenant, memory_id, row.subject, row.timestamp)
        )
        return gone and not held(self._rows, self.rules, self._tenant, memory_id, row)


def hide(index: TenantIndex, rows: Rows, tenant: str, log_time: int) -> None:
    """Take out of an index what nobody sees any more; the rows are of the same moment."""
    hidden = Hidden(rows, tenant, log_time)
    rules = hidden.rules
    ttls = index.ttls
    if rules is not None:
        if rules.default_ttl is not None:
            ttls = np.where(ttls == NO_TTL, rules.default_ttl, ttls)
        ttls = np.where(ttls >= 0, np.maximum(ttls, rules.min_ttl or 0), ttls)
    maybe = (ttls >= 0) & (index.timestamps + ttls * SECOND <= log_time)
    for erasure in hidden.erasures:
        maybe |= _covered(index, erasure)
    for memory_id in [index.ids[slot] for slot in np.flatnonzero(maybe & index.alive)]:
        row = rows.get(MemoryRow, memory_key(tenant, memory_id))
        if row is None or hidden.hides(memory_id, row):
            index.remove(memory_id)


def _covered(index: TenantIndex, erasure: Erasure) -> NDArray[np.bool_]:
    covered = np.zeros(len(index.ids), np.bool_)
    if erasure.memory_ids:
        covered[[index.slot(each) for each in erasure.memory_ids if each in index]] = True
        return covered
    if erasure.subject is not None:
        covered[index.facets.holders(SUBJECT, erasure.subject)] = True
    else:
        covered[:] = True
    return covered & (index.timestamps <= erasure.until)
