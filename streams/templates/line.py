"""One line that says what happened, to what, how often and when."""

import re
from collections.abc import Sequence

from streams.core.time import format_time
from streams.templates.columns import Column, rows_of
from streams.templates.template import Template, text_with

_SHOWN = 3
"""Values of a variable that are shown; numbers are shown as from and to."""
_LONGEST = 80
"""Characters of a value that are shown."""
_LINE = 2_000
_NUMBER = re.compile(r"-?\d{1,30}", re.ASCII)


def line(template: Template, columns: Sequence[Column], count: int, first: int, last: int) -> str:
    """Say what texts of a template say together.

    Parameters
    ----------
    first, last : int
        When the first and the last happened, in microseconds.

    Examples
    --------
    >>> from streams.templates.columns import columns_of
    >>> columns = columns_of([("7", "ok"), ("9", "ok")])
    >>> line(Template(("task ", " is ", "")), columns, 2, 0, 3_000_000)
    'task {7..9} is ok (2 times, 1970-01-01T00:00:00Z to 1970-01-01T00:00:03Z)'
    """
    rows = rows_of(columns, count)
    said = text_with(template, [_shown(values) for values in zip(*rows, strict=True)])
    said = " ".join(said.split())
    if len(said) > _LINE:
        said = f"{said[:_LINE]}…"
    when = " to ".join(dict.fromkeys([_second(first), _second(last)]))
    often = "once" if count == 1 else f"{count} times"
    return f"{said} ({often}, {when})"


def _shown(values: Sequence[str]) -> str:
    """Values of one variable: the one that all have, the first and last number, or some."""
    different = list(dict.fromkeys(values))
    if len(different) == 1:
        return different[0]
    if all(map(_NUMBER.fullmatch, different)):
        return f"{{{min(different, key=int)}..{max(different, key=int)}}}"
    some = ", ".join(_cut(value) for value in different[:_SHOWN])
    more = len(different) - _SHOWN
    return f"{{{some}, {more} more}}" if more > 0 else f"{{{some}}}"


def _cut(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"


def _second(micros: int) -> str:
    return f"{format_time(micros)[:19]}Z"
