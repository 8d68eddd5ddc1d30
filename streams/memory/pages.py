"""Pages of a tenant's rows, each beginning after the last key that the one before looked at."""

from collections.abc import Callable
from typing import TypeVar

from streams.core.errors import ApiError
from streams.core.fold import Reader
from streams.core.rows import Row

R = TypeVar("R", bound=Row)
T = TypeVar("T")

SCANNED = 5_000
"""Rows that one page looks at: few of them may be shown."""


def page(
    reader: Reader,
    kind: type[R],
    prefix: bytes,
    show: Callable[[bytes, R], T | None],
    *,
    limit: int,
    after: bytes | None,
    enough: Callable[[], bool] | None = None,
    reverse: bool = False,
) -> tuple[list[T], bytes | None]:
    """Show the rows under a prefix, in the order of their keys or against it.

    Parameters
    ----------
    show : callable
        Makes an item of a key and its row; None: it is left out.
    limit : int
        At most so many; there may be fewer before the end.
    after : bytes, optional
        Where an earlier page ended: its second value.
    enough : callable, optional
        Whether the page ends with the row that was shown last.

    Raises
    ------
    ApiError
        400 where ``after`` is not one that this list gave.
    """
    if after is not None and not after.startswith(prefix):
        raise ApiError(400, "bad_request", "the cursor is not one of this list")
    items: list[T] = []
    last = None
    for seen, (key, row) in enumerate(reader.scan(kind, prefix, reverse=reverse, start=after)):
        if len(items) == limit or seen > SCANNED or (enough is not None and enough()):
            return items, last
        if key == after:
            continue
        last = key
        if (item := show(key, row)) is not None:
            items.append(item)
    return items, None
