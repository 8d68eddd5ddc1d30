"""The fence that an erasure leaves: what it covers is seen by nobody, and never stored again."""

from collections.abc import Iterable

from msgspec import structs

from streams.core.fold import Rows, View
from streams.core.rows import tenant_key
from streams.memory.forget_rows import (
    ALL,
    ID,
    NO_RULES,
    SUBJECT,
    FenceRow,
    RulesRow,
    fence_key,
    rules_of,
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


def put_fences(view: View, tenant: str, keys: Iterable[bytes], until: int | None, at: int) -> None:
    """Leave fences at these keys. What one has covered stays covered."""
    new = sum(_put(view, key, until, at) for key in keys)
    if new:
        rules = rules_of(view, tenant) or NO_RULES
        rules = structs.replace(rules, fences=rules.fences + new)
        view.put(tenant_key(RulesRow, tenant), rules)


def fence_ids(view: View, tenant: str, memory_ids: Iterable[str], at: int) -> None:
    """Leave the fence of erased memories' ids: for good, by whatever they were erased.

    What corrects one may not name its subject.
    """
    put_fences(view, tenant, (fence_key(tenant, ID, each) for each in memory_ids), None, at)


def _put(view: View, key: bytes, until: int | None, at: int) -> bool:
    """Leave a fence; whether there was none."""
    before = view.get(FenceRow, key)
    if before is not None:
        if before.until is None:
            return False
        until = None if until is None else max(until, before.until)
    view.put(key, FenceRow(until, at))
    return before is None
