"""Calendar periods of an IANA zone, as half-open UTC bounds ``[start, end)`` in microseconds.

Hours are the zone's clock hours, cut where its clock is changed. Days, weeks (from Monday) and
months begin at the first instant whose local time is at or past their first midnight. So each
instant is in exactly one period of each kind, also where midnight is skipped or comes twice.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from streams.core.rows import sortable
from streams.core.time import EPOCH, HOUR, SECOND, from_datetime, zone

PERIODS = ("hour", "day", "week", "month")
"""Their order is that of the tuples which ``periods_at`` gives."""
INDEX = {name: index for index, name in enumerate(PERIODS)}
CODES = (b"h", b"d", b"w", b"m")

_SLOT = 15 * 60 * SECOND
_DAY = timedelta(days=1)


class Period(msgspec.Struct, frozen=True):
    """One period; ``key`` is its part of row keys: the kind's code, then the start, sortable."""

    start: int
    end: int
    key: bytes


class Four(tuple[Period, Period, Period, Period]):
    """The hour, day, week and month that hold one instant.

    Attributes
    ----------
    key : bytes
        Names all four: in zones that were changed, one hour may lie in two days.
    first_end : int
        When the first of them ends.
    """

    key: bytes
    first_end: int

    def __new__(cls, periods: Iterable[Period]) -> "Four":
        four = super().__new__(cls, periods)
        four.key = b"".join(period.key for period in four)
        four.first_end = min(period.end for period in four)
        return four


def period(index: int, start: int, end: int) -> Period:
    """Make a period of the kind ``PERIODS[index]``."""
    return Period(start, end, CODES[index] + sortable(start))


def periods_at(zone_name: str, time: int) -> Four:
    """Hour, day, week and month of an instant.

    Examples
    --------
    >>> from streams.core.time import format_time, parse_time
    >>> _, day, _, _ = periods_at("Asia/Kolkata", parse_time("2026-03-01T20:00:00Z"))
    >>> format_time(day.start), format_time(day.end)
    ('2026-03-01T18:30:00.000000Z', '2026-03-02T18:30:00.000000Z')
    """
    return _of_slot(zone_name, time // _SLOT) or _compute(zone_name, time)


@lru_cache(maxsize=8192)
def _of_slot(zone_name: str, slot: int) -> Four | None:
    """Periods of a whole quarter of an hour; None where one of them changes inside it.

    Computing them takes tens of microseconds, and events come close together in time.
    """
    first = slot * _SLOT
    four = _compute(zone_name, first)
    return four if four.first_end >= first + _SLOT else None


def _compute(zone_name: str, time: int) -> Four:
    place = zone(zone_name)
    today = (EPOCH + timedelta(microseconds=time)).astimezone(place).date()
    return Four(
        (
            period(0, *_hour(place, time)),
            period(1, *_dated(place, time, today, _next_day)),
            period(2, *_dated(place, time, today - today.weekday() * _DAY, _next_week)),
            period(3, *_dated(place, time, today.replace(day=1), _next_month)),
        )
    )


def _hour(place: ZoneInfo, time: int) -> tuple[int, int]:
    offset = _offset(place, time)
    start = (time + offset) // HOUR * HOUR - offset
    end = start + HOUR
    if _offset(place, start) != offset:
        start = _change(place, start, time)
    if _offset(place, end - 1) != offset:
        end = _change(place, time, end - 1)
    return start, end


def _dated(
    place: ZoneInfo, time: int, first: date, following: Callable[[date, int], date]
) -> tuple[int, int]:
    start = _midnight(place, first)
    if time < start:  # the clock was set back over midnight: the date was already reached before
        return _dated(place, time, following(first, -1), following)
    after = following(first, 1)
    end = _midnight(place, after)
    if time >= end:
        return _dated(place, time, after, following)
    return start, end


def _next_day(day: date, step: int) -> date:
    return day + step * _DAY


def _next_week(day: date, step: int) -> date:
    return day + step * 7 * _DAY


def _next_month(day: date, step: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + step, 12)
    return date(year, month + 1, 1)


def _midnight(place: ZoneInfo, day: date) -> int:
    """First instant whose local time is at or past the day's midnight."""
    local = datetime(day.year, day.month, day.day, tzinfo=place)
    first = from_datetime(local)
    second = from_datetime(local.replace(fold=1))
    # A skipped midnight reads later by the old offset than by the new one; a double one earlier.
    return first if first <= second else _change(place, second - 1, first)


def _change(place: ZoneInfo, before: int, after: int) -> int:
    """First instant in ``(before, after]`` with the offset of ``after``; to the second."""
    offset = _offset(place, after)
    low, high = before // SECOND + 1, after // SECOND
    seconds = range(low, high)
    return (
        low + bisect_left(seconds, True, key=lambda s: _offset(place, s * SECOND) == offset)
    ) * SECOND


def _offset(place: ZoneInfo, time: int) -> int:
    delta = (EPOCH + timedelta(microseconds=time)).astimezone(place).utcoffset()
    assert delta is not None
    return delta // timedelta(microseconds=1)
