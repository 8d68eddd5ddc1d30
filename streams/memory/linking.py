"""Runs look for links: of each memory that is new, and on command of all in the window.

A memory is compared with the nearest ones by event time, thirty on either side, among those that
share all that linked memories must share. That bounds the work: of more than sixty ways to say the
same within hours, those far from each other stay unlinked.
"""

from itertools import islice

from streams.core.fold import Effect, Entry, View
from streams.core.rows import sortable, tenant_key
from streams.memory import linkable, links
from streams.memory.archived import made_of
from streams.memory.budget import Budget
from streams.memory.consolidation_rows import HASH, FreshRow, LinkableRow, id_of_linkable
from streams.memory.hidden import Hidden
from streams.memory.memories import Memories
from streams.memory.rows import id_of, tenant_of

BESIDE = 30
"""Memories on either side with which one is compared."""
AT_ONCE = 100
"""Keys that are read at once."""
A_READ = 4
"""So many vectors are compared for what a memory costs to read."""


def look_at_new(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    at: bytes,
    prefix: bytes,
    since: int,
    budget: Budget,
) -> tuple[bytes | None, int]:
    """File memories that are new, and link those from an event time on.

    Returns
    -------
    next, count
        Where to go on, None at the end; how many pairs were linked.
    """
    count = 0
    keys = [key for key, _ in islice(view.scan(FreshRow, prefix, start=at), AT_ONCE + 1)]
    for key in keys[:AT_ONCE]:
        if not budget.left:
            return key, count
        memories, memory_id = Memories(view, entry, outputs, tenant_of(key)), id_of(key)
        row = memories.get(memory_id)
        assert row is not None
        made = made_of(view, memories.tenant, memory_id) if row.consolidated else None
        text = links.said(row, made)
        assert text is not None
        place = linkable.file(view, memories.tenant, memory_id, row, text)
        budget.spend(2)
        if row.timestamp >= since:
            count += _find(memories, place, since, budget, after=BESIDE)
    return (keys[AT_ONCE] if len(keys) > AT_ONCE else None), count


def look_at_all(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    at: bytes,
    prefix: bytes,
    since: int,
    budget: Budget,
) -> tuple[bytes | None, int]:
    """Link a tenant's memories from an event time on, each with those before it.

    Returns
    -------
    next, count
        Where to go on, None at the end; how many pairs were linked.
    """
    memories = Memories(view, entry, outputs, tenant_of(prefix))
    count, before = 0, None
    keys = [key for key, _ in islice(view.scan(LinkableRow, prefix, start=at), AT_ONCE + 1)]
    budget.spend(AT_ONCE // A_READ)
    for key in keys[:AT_ONCE]:
        if not budget.left:
            return key, count
        share = key[: len(prefix) + HASH]
        # Before the first one here there may be others.
        if before in (None, share) and key >= share + sortable(since):
            count += _find(memories, key, since, budget)
        before = share
    return (keys[AT_ONCE] if len(keys) > AT_ONCE else None), count


def _find(memories: Memories, key: bytes, since: int, budget: Budget, *, after: int = 0) -> int:
    """Link the memory at a key with those before it, and with so many after it."""
    share = key[: len(tenant_key(LinkableRow, memories.tenant)) + HASH]
    earlier = memories.view.scan(LinkableRow, share, reverse=True, start=key)
    near = [each for each, _ in islice(earlier, 1, BESIDE + 1) if each >= share + sortable(since)]
    if after:
        later = memories.view.scan(LinkableRow, share, start=key)
        near += [each for each, _ in islice(later, 1, after + 1)]
    if not near:
        return 0
    memory_id, *others = (id_of_linkable(each, share) for each in (key, *near))
    hidden = Hidden(memories.view, memories.tenant, memories.entry.log_time)
    count = links.find(memories, hidden, memory_id, others)
    budget.spend(1 + len(others) // A_READ, count)
    return count
