"""What is held of each budget: a sum, and parts of it that come back as log time passes them.

One row a budget has the sum of what comes back after a time, `HeldRow.swept`; a row for each second
at which something comes back has that part. So what is due by now counts no more, whether or not
its row was taken away already, and a decision reads one row and those that came due since the last.
"""

from collections.abc import Iterator

from streams.core.fold import Reader, View
from streams.core.rows import sortable
from streams.usage.rows import HeldRow, HeldUntilRow, budget_key

AT_ONCE = 50
"""Parts that one decision takes away; those beyond count no more all the same."""


def held(reader: Reader, tenant: str, budget_id: str, log_time: int) -> int:
    """What is held of a budget at a log time, nano-USD."""
    row = reader.get(HeldRow, _sum_key(tenant, budget_id))
    if row is None:
        return 0
    return row.amount - sum(part.amount for _, part in _due(reader, tenant, budget_id, log_time))


def hold(view: View, tenant: str, budget_id: str, due: int, amount: int, log_time: int) -> None:
    """Hold so much until ``due``, which lies after the log time."""
    sweep(view, tenant, budget_id, log_time)
    _change(view, tenant, budget_id, due, amount)


def release(view: View, tenant: str, budget_id: str, due: int, amount: int) -> None:
    """Hold so much less of what is held until ``due``, which has not come."""
    _change(view, tenant, budget_id, due, -amount)


def sweep(view: View, tenant: str, budget_id: str, log_time: int, at_most: int = AT_ONCE) -> None:
    """Take away what came back, the earliest first, at most so many parts."""
    row = view.get(HeldRow, _sum_key(tenant, budget_id))
    if row is None:
        return
    gone: list[tuple[bytes, int]] = []
    for key, part in _due(view, tenant, budget_id, log_time):
        if len(gone) == at_most:
            break
        gone.append((key, part.amount))
    for key, _ in gone:
        view.delete(key)
    if gone:
        swept = int.from_bytes(gone[-1][0][-8:], "big") - (1 << 63)
        amount = row.amount - sum(amount for _, amount in gone)
        view.put(_sum_key(tenant, budget_id), HeldRow(amount, swept))


def _change(view: View, tenant: str, budget_id: str, due: int, more: int) -> None:
    place, sum_key = _part_key(tenant, budget_id, due), _sum_key(tenant, budget_id)
    part = view.get(HeldUntilRow, place)
    amount = more if part is None else part.amount + more
    if amount:
        view.put(place, HeldUntilRow(amount))
    else:
        view.delete(place)
    row = view.get(HeldRow, sum_key) or HeldRow(0, 0)
    view.put(sum_key, HeldRow(row.amount + more, row.swept))


def _due(
    reader: Reader, tenant: str, budget_id: str, log_time: int
) -> Iterator[tuple[bytes, HeldUntilRow]]:
    """Parts that came back by now and were not taken away."""
    row = reader.get(HeldRow, _sum_key(tenant, budget_id))
    swept = 0 if row is None else row.swept
    prefix = HeldUntilRow.kind + budget_key(tenant, budget_id)[2:]
    end = prefix + sortable(log_time + 1)
    # Keys that were removed are not looked at again: nothing comes back before what came last.
    for key, part in reader.scan(HeldUntilRow, prefix, start=prefix + sortable(swept + 1)):
        if key >= end:
            return
        yield key, part


def _sum_key(tenant: str, budget_id: str) -> bytes:
    return HeldRow.kind + budget_key(tenant, budget_id)[2:]


def _part_key(tenant: str, budget_id: str, due: int) -> bytes:
    return HeldUntilRow.kind + budget_key(tenant, budget_id)[2:] + sortable(due)
