"""What ticks do about keeping and forgetting: a bounded part with each."""

from itertools import islice

from msgspec import structs

from streams.core.fold import Effect, Entry, View, changes_left
from streams.core.rows import tenant_key
from streams.memory.dating import EVERYBODY, begin_with_the_old, date
from streams.memory.erase import WAITING, ForgetTexts, go_on, is_done
from streams.memory.expiry import expire
from streams.memory.forget_rows import NOTHING_TO_DO, ForgetRow, WorkRow
from streams.memory.hold_commands import AT_ONCE as SUBJECTS_AT_ONCE
from streams.memory.hold_commands import settle_subject
from streams.memory.rows import tenant_of

AT_ONCE = 50
"""Memories that one tick changes or removes."""
DUE_AT_ONCE = 30
"""So many of them at most because they are due: the rest is for what was asked for."""
CHANGES = 18
"""Rows that go, or change, with a memory; one of another merge than the first counts twice."""
KEPT_FOR_ASKED = 150
"""Row changes of a tick that what is due leaves for what was asked for."""
SETTLED = 3
"""Rows that change with a memory whose hold has changed."""
TENANTS = 20
"""Tenants that one tick works for."""


def forget_on_time(
    view: View, entry: Entry, outputs: list[Effect], forget_texts: ForgetTexts, kept: int = 0
) -> None:
    """Remove what is due, and go on with what was too much for one record.

    ``kept``: so many row changes are left for what comes after.
    """
    begin_with_the_old(view)
    due = expire(view, entry, outputs, min(DUE_AT_ONCE, _room(view, kept + KEPT_FOR_ASKED)))
    left = AT_ONCE - due
    for key, _ in list(islice(view.scan(WorkRow, WorkRow.kind), TENANTS)):
        at_most = min(left, _room(view, kept))
        if at_most <= 0:
            return
        left -= _go_on(view, entry, outputs, tenant_of(key), at_most, forget_texts)


def _room(view: View, kept: int) -> int:
    """How many memories may go so that so many row changes are left for what comes after."""
    return max(0, changes_left(view) - kept) // CHANGES


def _go_on(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    tenant: str,
    at_most: int,
    forget_texts: ForgetTexts,
) -> int:
    """Go on with a tenant's work; return how many memories it changed."""
    key = tenant_key(ForgetRow, tenant)
    row = view.get(ForgetRow, key) or NOTHING_TO_DO
    changed = 0
    if row.dating is not None:
        after, changed = date(view, entry, outputs, tenant, row.dating, at_most)
        row = structs.replace(row, dating=after)
    if row.subjects and changes_left(view) > 2 * SETTLED * SUBJECTS_AT_ONCE:
        (subject, start), *others = row.subjects
        next_, settled = settle_subject(view, entry, tenant, subject, start)
        changed += settled
        more = () if next_ is None else ((subject, next_),)
        row = structs.replace(row, subjects=(*more, *others))
    erasing = [at for at, each in enumerate(row.erasures) if each.phase != WAITING]
    if erasing and changed < at_most:
        at, *erasing = erasing
        erasure, gone = go_on(
            view, entry, outputs, tenant, row.erasures[at], at_most - changed, forget_texts
        )
        changed += gone
        own = () if is_done(erasure) else (erasure,)
        row = structs.replace(row, erasures=(*row.erasures[:at], *own, *row.erasures[at + 1 :]))
        erasing += [at] * (erasure.phase != WAITING)
    if row == NOTHING_TO_DO and tenant != EVERYBODY:
        view.delete(key)
    else:
        view.put(key, row)
    if row.dating is None and not row.subjects and not erasing:
        view.delete(tenant_key(WorkRow, tenant))
    return changed
