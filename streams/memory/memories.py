"""A memory's rows, changed together: each change counts its bytes and sends its record."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec import structs

from streams.core.fold import Effect, Entry, Output, View
from streams.core.ids import derived_id
from streams.core.rows import tenant_key
from streams.memory import alike, consolidated, links
from streams.memory.bytes import add_bytes, move_bytes
from streams.memory.deadlines import file
from streams.memory.forget_rows import rules_of
from streams.memory.holds import held, move_subject
from streams.memory.members import as_shown
from streams.memory.prunable import move, place
from streams.memory.record import measured
from streams.memory.rows import (
    CONFIG_KEY,
    NO_CONFIG,
    CountRow,
    MemoryConfigRow,
    MemoryRow,
    TimelineRow,
    agent_key,
    id_of_worth,
    memory_key,
    timeline_key,
    vector_key,
    worth,
)
from streams.memory.working import enter, leave

RECORDS = "memory.records.v1"


class Memories:
    """The memories of one tenant, as the fold of one record changes them.

    Parameters
    ----------
    outputs : list of Effect
        What the record sends; records of changed memories are added.
    """

    def __init__(self, view: View, entry: Entry, outputs: list[Effect], tenant: str) -> None:
        self.view = view
        self.entry = entry
        self.outputs = outputs
        self.tenant = tenant
        self._gathered: dict[str, int] | None = None
        self._least: bytes | None = None

    def get(self, memory_id: str) -> MemoryRow | None:
        """Return a memory's row, if there is one."""
        return self.view.get(MemoryRow, memory_key(self.tenant, memory_id))

    def put_working(
        self, memory_id: str, before: MemoryRow | None, now: MemoryRow, *, reserve: int = 0
    ) -> None:
        """Write a memory that belongs into its agent's working memory; others may have to leave.

        So many more of the tenant's bytes may lie in the ``reserve``.
        """
        if before is not None and before.working and before.consolidated_into is None:
            leave(self.view, self.agent(before), worth(before, memory_id))
        config = self.view.get(MemoryConfigRow, CONFIG_KEY) or NO_CONFIG
        own = worth(now, memory_id)
        leaving = enter(self.view, self.agent(now), own, config.working_limit)
        now = structs.replace(now, working=own not in leaving)
        self.put(memory_id, before, now, reserve=reserve)
        self.move_out([each for each in leaving if each != own])

    def move_out(self, leaving: list[bytes]) -> None:
        """Write the memories that left working memory, given by what they were worth."""
        for memory_id in map(id_of_worth, leaving):
            before = self.get(memory_id)
            assert before is not None
            self.put(memory_id, before, structs.replace(before, working=False))

    def put(
        self, memory_id: str, before: MemoryRow | None, now: MemoryRow, *, reserve: int = 0
    ) -> None:
        """Write a memory, count it and its bytes, and send its record."""
        view, tenant, stored = self.view, self.tenant, before
        rules = rules_of(view, tenant)
        json, size = measured(tenant, memory_id, *as_shown(view, rules, tenant, memory_id, now))
        now = structs.replace(now, size=size)
        view.put(memory_key(tenant, memory_id), now)
        kept, project = 0, now.cost_attribution
        if before is not None:
            kept = before.size
            move_bytes(view, tenant, kept, self.entry.log_time, before.cost_attribution, project)
            if before.consolidated_into is not None:
                # It comes back; what is archived stands nowhere.
                before = None
        if before is None or before.timestamp != now.timestamp:
            if before is not None:
                view.delete(timeline_key(tenant, before.timestamp, memory_id))
            view.put(timeline_key(tenant, now.timestamp, memory_id), TimelineRow())
        file(view, tenant, memory_id, stored, now, rules)
        move_subject(view, tenant, memory_id, stored, now)
        on_hold = held(view, rules, tenant, memory_id, now)
        worth_now = None if on_hold else place(now, memory_id)
        move(view, tenant, place(before, memory_id), worth_now)
        self.add_bytes(size - kept, project, reserve=reserve, least=worth_now)
        self._count(before, now)
        self._send(memory_id, json)

    def archive(self, memory_id: str, before: MemoryRow, into: str) -> None:
        """Let a memory be a consolidated one's: it keeps its row without its text, its vector,
        and its id; what it counts for is the consolidated one's to say."""
        view, tenant = self.view, self.tenant
        alike.leave(view, tenant, memory_id, before)
        self._withdraw(memory_id, before)
        now = structs.replace(before, text="", size=0, consolidated_into=into)
        view.put(memory_key(tenant, memory_id), now)
        self._send(memory_id, None)

    def remove(self, memory_id: str, before: MemoryRow) -> None:
        """Remove a memory with all that is kept of it, and send a tombstone.

        A consolidated one's members go with it, and a member's consolidated memory is made anew of
        the others.
        """
        if before.consolidated_into is not None:
            self.remove_members([(memory_id, before)])
            return
        if before.consolidated:
            consolidated.abandon(self, memory_id)
        else:
            alike.leave(self.view, self.tenant, memory_id, before)
        self.erase(memory_id, before)

    def remove_members(self, found: Sequence[tuple[str, MemoryRow]]) -> None:
        """Remove archived memories; what they were members of is made anew once for all of them."""
        going: dict[str, list[str]] = {}
        for memory_id, row in found:
            assert row.consolidated_into is not None
            going.setdefault(row.consolidated_into, []).append(memory_id)
        for whole, members in going.items():
            consolidated.leave_out(self, whole, members)
        for memory_id, row in found:
            self.discard(memory_id, row)

    def erase(self, memory_id: str, before: MemoryRow) -> None:
        """Remove a memory that stands for itself, whatever else hangs on it."""
        self._withdraw(memory_id, before)
        self.discard(memory_id, before)
        self._send(memory_id, None)

    def discard(self, memory_id: str, before: MemoryRow) -> None:
        """Remove what is left of a memory that stands nowhere any more."""
        view, tenant = self.view, self.tenant
        links.drop(self, memory_id)
        view.delete(memory_key(tenant, memory_id))
        if before.embedding_model is not None:
            view.delete(vector_key(tenant, memory_id))
        file(view, tenant, memory_id, before, None, rules_of(view, tenant))
        move_subject(view, tenant, memory_id, before, None)

    def add_bytes(
        self, change: int, project: str, *, reserve: int = 0, least: bytes | None = None
    ) -> None:
        """Count bytes that came or went, at once or together with others."""
        if self._gathered is None:
            view, entry, tenant = self.view, self.entry, self.tenant
            add_bytes(view, entry, tenant, change, project, reserve=reserve, least=least)
            return
        self._gathered[project] = self._gathered.get(project, 0) + change
        if least is not None and (self._least is None or least < self._least):
            self._least = least

    @contextmanager
    def together(self) -> Iterator[None]:
        """Count all that comes and goes meanwhile as one change: none of it needs room alone."""
        if self._gathered is not None:
            yield
            return
        self._gathered, self._least = {}, None
        yield
        gathered, self._gathered = self._gathered, None
        for project, change in gathered.items():
            self.add_bytes(change, project, least=self._least)

    def _withdraw(self, memory_id: str, before: MemoryRow) -> None:
        """Take a memory out of all places in which it stands."""
        view, tenant = self.view, self.tenant
        if before.working:
            leave(view, self.agent(before), worth(before, memory_id))
        view.delete(timeline_key(tenant, before.timestamp, memory_id))
        move(view, tenant, place(before, memory_id), None)
        self.add_bytes(-before.size, before.cost_attribution)
        self._count(before, None)

    def agent(self, row: MemoryRow) -> bytes:
        """Key of the working memory that a memory belongs to."""
        return agent_key(self.tenant, row.agent)

    def _count(self, before: MemoryRow | None, now: MemoryRow | None) -> None:
        if before is not None and now is not None and before.working == now.working:
            return
        key = tenant_key(CountRow, self.tenant)
        counts = self.view.get(CountRow, key) or CountRow(0, 0)
        working, long_term = counts.working, counts.long_term
        for row, change in ((before, -1), (now, 1)):
            if row is not None:
                working += change * row.working
                long_term += change * (not row.working)
        if working or long_term:
            self.view.put(key, CountRow(working, long_term))
        else:
            self.view.delete(key)

    def _send(self, memory_id: str, json: bytes | None) -> None:
        entry = self.entry
        # The append time tells two logs apart where a topic was made anew and offsets began again.
        place = (entry.partition, entry.offset, entry.timestamp, len(self.outputs))
        self.outputs.append(
            Output(
                RECORDS,
                self.tenant,
                "memory.record",
                derived_id(RECORDS, *map(str, place)),
                memory_id,
                json,
                f"{self.tenant}/{memory_id}",
            )
        )
