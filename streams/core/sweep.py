"""Old rows go a few at a time, with the records that add new ones: no record is heavy."""

from collections.abc import Callable
from typing import ClassVar, TypeVar

from streams.core.fold import View
from streams.core.rows import Row
from streams.core.time import HOUR

R = TypeVar("R", bound=Row)

AT_ONCE = 100


class SweepRow(Row, frozen=True, array_like=True):
    """When old rows under a prefix are looked for next (log time); the key holds the prefix."""

    kind: ClassVar[bytes] = b"w/"

    due: int


def drop_old(
    view: View,
    kind: type[R],
    prefix: bytes,
    log_time: int,
    is_old: Callable[[bytes, R], bool],
) -> list[R]:
    """Delete the oldest rows under a prefix, at most ``AT_ONCE``; oldest keys come first.

    Called before each new row under the prefix, it looks only once an hour of log time, unless
    there was more to drop than it may: looking is a scan.
    """
    key = SweepRow.kind + prefix
    sweep = view.get(SweepRow, key)
    if sweep is not None and log_time < sweep.due:
        return []
    found: list[tuple[bytes, R]] = []
    # With no sweep noted, the row to come is the first one.
    for old_key, row in () if sweep is None else view.scan(kind, prefix):
        if len(found) == AT_ONCE or not is_old(old_key, row):
            break
        found.append((old_key, row))
    for old_key, _ in found:
        view.delete(old_key)
    view.put(key, SweepRow(log_time if len(found) == AT_ONCE else log_time + HOUR))
    return [row for _, row in found]
