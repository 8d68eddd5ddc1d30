"""A memory's rows, changed together: each change counts its bytes and sends its record."""

from msgspec import structs

from streams.core.fold import Effect, Entry, Output, View
from streams.core.ids import derived_id
from streams.core.rows import tenant_key
from streams.memory.bytes import add_bytes, move_bytes
from streams.memory.deadlines import file
from streams.memory.forget_rows import rules_of
from streams.memory.holds import held, move_subject
from streams.memory.prunable import move, place
from streams.memory.record import measured
from streams.memory.retention import dated
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
        self._view = view
        self._entry = entry
        self._outputs = outputs
        self._tenant = tenant

    def get(self, memory_id: str) -> MemoryRow | None:
        """Return a memory's row, if there is one."""
        return self._view.get(MemoryRow, memory_key(self._tenant, memory_id))

    def put_working(
        self, memory_id: str, before: MemoryRow | None, now: MemoryRow, *, reserve: int = 0
    ) -> None:
        """Write a memory that belongs into its agent's working memory; others may have to leave.

        So many more of the tenant's bytes may lie in the ``reserve``.
        """
        if before is not None and before.working:
            leave(self._view, self.agent(before), worth(before, memory_id))
        config = self._view.get(MemoryConfigRow, CONFIG_KEY) or NO_CONFIG
        own = worth(now, memory_id)
        leaving = enter(self._view, self.agent(now), own, config.working_limit)
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
        view, tenant = self._view, self._tenant
        rules = rules_of(view, tenant)
        json, size = measured(tenant, memory_id, dated(now, rules))
        now = structs.replace(now, size=size)
        view.put(memory_key(tenant, memory_id), now)
        if before is None:
            view.put(timeline_key(tenant, now.timestamp, memory_id), TimelineRow())
        file(view, tenant, memory_id, before, now, rules)
        move_subject(view, tenant, memory_id, before, now)
        on_hold = held(view, rules, tenant, memory_id, now)
        worth_now = None if on_hold else place(now, memory_id)
        move(view, tenant, place(before, memory_id), worth_now)
        entry, project, kept = self._entry, now.cost_attribution, 0
        if before is not None:
            kept = before.size
            move_bytes(view, tenant, kept, entry.log_time, before.cost_attribution, project)
        add_bytes(view, entry, tenant, size - kept, project, reserve=reserve, least=worth_now)
        self._count(before, now)
        self._send(memory_id, json)

    def remove(self, memory_id: str, before: MemoryRow) -> None:
        """Remove a memory with all that is kept of it, and send a tombstone."""
        view, tenant = self._view, self._tenant
        if before.working:
            leave(view, self.agent(before), worth(before, memory_id))
        view.delete(memory_key(tenant, memory_id))
        view.delete(timeline_key(tenant, before.timestamp, memory_id))
        if before.embedding_model is not None:
            view.delete(vector_key(tenant, memory_id))
        file(view, tenant, memory_id, before, None, rules_of(view, tenant))
        move_subject(view, tenant, memory_id, before, None)
        move(view, tenant, place(before, memory_id), None)
        add_bytes(view, self._entry, tenant, -before.size, before.cost_attribution)
        self._count(before, None)
        self._send(memory_id, None)

    def agent(self, row: MemoryRow) -> bytes:
        """Key of the working memory that a memory belongs to."""
        return agent_key(self._tenant, row.agent)

    def _count(self, before: MemoryRow | None, now: MemoryRow | None) -> None:
        if before is not None and now is not None and before.working == now.working:
            return
        key = tenant_key(CountRow, self._tenant)
        counts = self._view.get(CountRow, key) or CountRow(0, 0)
        working, long_term = counts.working, counts.long_term
        for row, change in ((before, -1), (now, 1)):
            if row is not None:
                working += change * row.working
                long_term += change * (not row.working)
        if working or long_term:
            self._view.put(key, CountRow(working, long_term))
        else:
            self._view.delete(key)

    def _send(self, memory_id: str, json: bytes | None) -> None:
        entry = self._entry
        # The append time tells two logs apart where a topic was made anew and offsets began again.
        place = (entry.partition, entry.offset, entry.timestamp, len(self._outputs))
        self._outputs.append(
            Output(
                RECORDS,
                self._tenant,
                "memory.record",
                derived_id(RECORDS, *map(str, place)),
                memory_id,
                json,
                f"{self._tenant}/{memory_id}",
            )
        )
