"""Which memories nobody sees any more, though ticks have not removed them yet."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.fold import Rows
from streams.core.rows import tenant_key
from streams.core.time import SECOND
from streams.memory import links
from streams.memory.archived import whole
from streams.memory.consolidation_rows import MembersRow
from streams.memory.documents import document, document_of
from streams.memory.facets import SUBJECT
from streams.memory.fences import fenced
from streams.memory.forget_rows import Erasure, ForgetRow, rules_of
from streams.memory.holds import held, on_hold
from streams.memory.index import TenantIndex
from streams.memory.members import begins, latest, members_of, soonest
from streams.memory.memory_row import MemoryRow
from streams.memory.remade import without
from streams.memory.retention import dated, is_due
from streams.memory.rows import memory_key


class Seen(NamedTuple):
    """What readers see of a memory."""

    row: MemoryRow
    """With its text, and the ttl that it really has."""
    last: int | None = None
    """Of a consolidated memory: when all its members are due."""


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
        self.looked = 0
        """Members that had to be read to know which of them are gone."""

    def seen(self, memory_id: str, row: MemoryRow) -> Seen | None:
        """Return what readers see of a memory: itself, or what its members that stay say."""
        members = members_of(self._rows, self._tenant, memory_id, row) if row.consolidated else None
        missing = self._missing(memory_id, row, members)
        if missing is None:
            return None
        if members is None:
            found = whole(self._rows, self._tenant, memory_id, row)
            return None if found is None else Seen(dated(found, self.rules))
        if not missing:
            return Seen(row, latest(members, self.rules))
        new = without(self._rows, self._tenant, memory_id, row, missing)
        if new is None:
            return None
        linked = links.shown(self._rows, self._tenant, memory_id, new.row)
        return Seen(linked, latest(new.members, self.rules))

    def hides(self, memory_id: str, row: MemoryRow) -> bool:
        """Whether a memory is gone for whoever reads."""
        return self.missing(memory_id, row) is None

    def missing(self, memory_id: str, row: MemoryRow) -> tuple[str, ...] | None:
        """Return members of a memory that are gone for whoever reads; None: all of it is gone."""
        members = members_of(self._rows, self._tenant, memory_id, row) if row.consolidated else None
        return self._missing(memory_id, row, members)

    def _missing(
        self, memory_id: str, row: MemoryRow, members: MembersRow | None
    ) -> tuple[str, ...] | None:
        if self._goes(memory_id, row):
            return None
        if row.consolidated_into is not None and self._goes_with(row.consolidated_into):
            return None
        if members is None:
            return ()
        gone = self._gone(memory_id, row, members)
        return None if len(gone) == len(row.sources) else gone

    def _gone(self, memory_id: str, row: MemoryRow, members: MembersRow) -> tuple[str, ...]:
        due = soonest(members, self.rules)
        due_too = due is not None and due <= self._log_time
        if not due_too and not any(_may_cover(each, row, members) for each in self.erasures):
            return ()
        if on_hold(self._rows, self.rules, self._tenant, memory_id, members.subject):
            return ()
        self.looked += len(row.sources)
        return tuple(each for each in row.sources if self._is_gone(each, memory_id))

    def _is_gone(self, memory_id: str, whole_id: str) -> bool:
        row = self._rows.get(MemoryRow, memory_key(self._tenant, memory_id))
        # Reads see the database, not a moment of it: a member may have been taken out meanwhile.
        return row is None or row.consolidated_into != whole_id or self._goes(memory_id, row)

    def _goes(self, memory_id: str, row: MemoryRow) -> bool:
        """Whether a memory goes whatever it is a part of, or made of."""
        gone = is_due(row, self.rules, self._log_time) or (
            self._erasing
            and fenced(self._rows, self.rules, self._tenant, memory_id, row.subject, row.timestamp)
        )
        return gone and not held(self._rows, self.rules, self._tenant, memory_id, row)

    def _goes_with(self, memory_id: str) -> bool:
        """Whether a consolidated memory goes with all its members: it was erased itself."""
        if not self._erasing:
            return False
        row = self._rows.get(MemoryRow, memory_key(self._tenant, memory_id))
        return row is not None and self._goes(memory_id, row)


def hide(index: TenantIndex, rows: Rows, tenant: str, log_time: int) -> None:
    """Take out of an index what nobody sees any more; the rows are of the same moment.

    A consolidated memory some of whose members are gone is found by what the others say. What
    another rule, or a hold, lets be seen again comes back.
    """
    hidden = Hidden(rows, tenant, log_time)
    rules = hidden.rules
    maybe = index.dues <= log_time
    if rules is not None:
        least = (rules.min_ttl or 0) * SECOND
        if least:
            maybe &= index.firsts <= log_time - least
        if rules.default_ttl is not None:
            maybe |= index.bares <= log_time - max(rules.default_ttl * SECOND, least)
    for erasure in hidden.erasures:
        maybe |= _covered(index, erasure, rows, tenant)
    looked_at = [index.ids[slot] for slot in np.flatnonzero(maybe & index.alive)]
    if rules != index.obeyed or (rules is not None and rules.holds):
        looked_at += index.withheld
    index.obeyed = rules
    for memory_id in dict.fromkeys(looked_at):
        _hide_one(index, hidden, rows, tenant, memory_id)


def _hide_one(index: TenantIndex, hidden: Hidden, rows: Rows, tenant: str, memory_id: str) -> None:
    row = rows.get(MemoryRow, memory_key(tenant, memory_id))
    if row is None:
        index.remove(memory_id)
        return
    gone = hidden.missing(memory_id, row)
    if gone == index.withheld.get(memory_id, ()):
        return
    found = None
    if gone:
        new = without(rows, tenant, memory_id, row, gone)
        found = None if new is None else document_of(rows, tenant, memory_id, new)
    elif gone is not None:
        found = document(rows, tenant, memory_id)
    if found is None:
        index.withhold(memory_id)
        return
    index.put(found)
    if gone:
        index.withheld[memory_id] = gone


def _covered(index: TenantIndex, erasure: Erasure, rows: Rows, tenant: str) -> NDArray[np.bool_]:
    covered = np.zeros(len(index.ids), np.bool_)
    if erasure.memory_ids:
        for each in erasure.memory_ids:
            row = rows.get(MemoryRow, memory_key(tenant, each))
            if row is not None and row.consolidated_into is not None:
                each = row.consolidated_into
            if each in index:
                covered[index.slot(each)] = True
        return covered
    if erasure.subject is not None:
        covered[index.facets.holders(SUBJECT, erasure.subject)] = True
    else:
        covered[:] = True
    return covered & (index.firsts <= erasure.until)


def _may_cover(erasure: Erasure, row: MemoryRow, members: MembersRow) -> bool:
    """Whether an erasure may be about a consolidated memory's members."""
    if erasure.memory_ids:
        return not set(erasure.memory_ids).isdisjoint(row.sources)
    return erasure.subject in (None, members.subject) and begins(members) <= erasure.until
