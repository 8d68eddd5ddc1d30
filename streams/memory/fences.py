"""The fence that an erasure leaves: what it covers is seen by nobody, and never stored again."""

from streams.core.fold import Rows, View
from streams.memory.forget_rows import (
    ALL,
    ID,
    SUBJECT,
    FenceRow,
    RulesRow,
    fence_key,
)


def fenced(
    rows: Rows,
    rules: RulesRow | None,
    tenant: str,
    memory_id: str,
    subject: str | None,
    time: int,
) -> bool:
    """Whether a memory with this id, subject and event time was erased.

    An id is erased for good; a subject, or all, with event times up to the command's.
    """
    if rules is None or not rules.fences:
        return False
    keys = [fence_key(tenant, ID, memory_id), fence_key(tenant, ALL)]
    if subject:
        keys.append(fence_key(tenant, SUBJECT, subject))
    for key in keys:
        fence = rows.get(FenceRow, key)
        if fence is not None and (fence.until is None or time <= fence.until):
            return True
    return False


def put_fence(view: View, key: bytes, until: int | None, at: int) -> bool:
    """Leave a fence; whether there was none. What one has covered stays covered."""
    before = view.get(FenceRow, key)
    if before is not None and before.until is not None and until is not None:
        until = max(until, before.until)
    view.put(key, FenceRow(until, at))
    return before is None
