"""Fold of memory.split: a consolidated memory gives all its members back, as they were.

They stand for themselves until they are corrected: no run merges them again. Where they are many
ticks go on, and meanwhile what is left of the consolidated memory stands for those still in it.
"""

from msgspec import structs

from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target, audit
from streams.core.log import MemorySplit
from streams.memory import links
from streams.memory.archived import made_of
from streams.memory.bytes import bytes_of, room
from streams.memory.commanded import finished
from streams.memory.consolidated import close, give_back, leave_out
from streams.memory.consolidated_told import tell_split
from streams.memory.consolidation_rows import WorkRow, work_key
from streams.memory.hold_commands import settle_one
from streams.memory.memories import Memories
from streams.memory.quota_alerts import check_quota
from streams.memory.refuse import QUOTA_EXCEEDED

AT_ONCE = 80
"""Members that one record gives back, or one more where none would be left."""
LEFT_AT_ONCE = 80
"""Rows of members without a consolidated memory, of those linked with them, and of members of one
that was on hold, that one tick changes."""
_NOT_ONE = "it is no consolidated memory"
_NO_ROOM = "there is no room for the members beside one another"


def fold_split(view: View, entry: Entry, body: MemorySplit) -> list[Effect]:
    """Give the members of a consolidated memory back."""
    outputs: list[Effect] = []
    record, memory_id = entry.record, body.memory_id
    memories = Memories(view, entry, outputs, record.tenant)
    row, made = memories.get(memory_id), made_of(view, record.tenant, memory_id)
    error = None
    details = {}
    if row is None or made is None:
        error, details = "not_found", {"detail": _NOT_ONE}
    else:
        growth = made.bytes_before - row.size - made.held
        free = room(view, entry, record.tenant) - bytes_of(view, record.tenant).used
        if growth > max(0, free):
            error, details = QUOTA_EXCEEDED, {"detail": _NO_ROOM}
    if error is not None:
        target = Target("memory", memory_id)
        action = "memory.split"
        audit(view, entry, outputs, action=action, target=target, details=details, error=error)
        return outputs
    close(memories, memory_id)
    work = WorkRow("split", entry.log_time, source=record.source, id=record.id, memory_id=memory_id)
    key = work_key(record.tenant, f"split {entry.offset:020}")
    _go_on(memories, key, work)
    check_quota(view, entry, outputs, record.tenant)
    return outputs


def go_on(memories: Memories, key: bytes, row: WorkRow) -> int:
    """Go on with a split, or with members one by one; how many were read."""
    if row.what == "split":
        return _go_on(memories, key, row)
    return _each(memories, key, row)


def _go_on(memories: Memories, key: bytes, row: WorkRow) -> int:
    view, tenant, memory_id = memories.view, memories.tenant, row.memory_id
    made = made_of(view, tenant, memory_id)
    ids = [] if made is None else [member[-1] for member in made.members]
    part = ids if len(ids) <= AT_ONCE + 1 else ids[:AT_ONCE]
    with memories.together():
        for each in leave_out(memories, memory_id, part, quiet=True):
            give_back(memories, each, alone=True)
    row = structs.replace(row, members=(*row.members, *part))
    if len(part) < len(ids):
        view.put(key, row)
        return len(ids)
    view.delete(key)
    if row.members:
        tell_split(memories, memory_id, row.members)
    finished(
        view,
        memories.entry,
        memories.outputs,
        tenant,
        row,
        action="memory.split",
        target=Target("memory", memory_id),
        details={"members": len(row.members)},
    )
    return len(ids)


def _each(memories: Memories, key: bytes, row: WorkRow) -> int:
    """Remove members whose consolidated memory is gone, or settle those of one that was on hold."""
    seen = rows = 0
    for memory_id in row.members:
        if rows >= LEFT_AT_ONCE:
            break
        member = memories.get(memory_id)
        if row.what == "free":
            settle_one(memories.view, memories.entry, memories.tenant, memory_id)
        elif member is not None and member.consolidated_into == row.memory_id:
            # A linked memory is written anew, and at another place.
            rows += 4 * len(links.linked(memories.view, memories.tenant, memory_id))
            memories.discard(memory_id, member)
        seen, rows = seen + 1, rows + 1
    rest = row.members[seen:]
    if rest:
        memories.view.put(key, structs.replace(row, members=rest))
    else:
        memories.view.delete(key)
    return seen
