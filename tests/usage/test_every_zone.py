"""Pitfall 6: each instant is in exactly one period of each kind, in every zone of tzdata."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.core.time import DAY, HOUR, from_datetime, zone, zone_names
from streams.usage.periods import PERIODS, periods_at
from usage.writer import at

ZONES = sorted(zone_names())
_DAY = timedelta(days=1)


def _changes(name: str, year: int) -> list[int]:
    """Beginnings of the days (UTC) of a year on which the zone's clock is changed."""
    place, found = zone(name), []
    day = datetime(year, 1, 1, tzinfo=UTC)
    offset = day.astimezone(place).utcoffset()
    for _ in range(366):
        after = (day + _DAY).astimezone(place).utcoffset()
        if after != offset:
            found.append(from_datetime(day))
        day, offset = day + _DAY, after
    return found


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, int]:
    """A zone and an instant of 1970 to 2037, near a change of the clock if the year has one."""
    name, year = draw(st.sampled_from(ZONES)), draw(st.integers(1970, 2037))
    changes = _changes(name, year)
    if changes:
        return name, draw(st.sampled_from(changes)) + draw(st.integers(-HOUR * 24, HOUR * 48))
    return name, from_datetime(datetime(year, 1, 1, tzinfo=UTC)) + draw(st.integers(0, 365 * DAY))


@settings(deadline=None, max_examples=200)
@given(moments())
@example(("Asia/Kolkata", at("2026-03-01T18:30")))
@example(("Europe/Berlin", at("2026-10-25T01:00")))
@example(("Pacific/Apia", at("2011-12-30T10:00")))
def test_each_instant_is_in_exactly_one_period_of_each_kind(moment: tuple[str, int]) -> None:
    name, time = moment
    if time < 0:
        return
    for index, found in enumerate(periods_at(name, time)):
        # Half-open: it holds its begin and not its end, and those beside it hold the rest.
        assert found.start <= time < found.end, PERIODS[index]
        assert periods_at(name, found.start)[index] == found
        assert periods_at(name, found.end - 1)[index] == found
        after = periods_at(name, found.end)[index]
        before = periods_at(name, found.start - 1)[index]
        assert (before.end, after.start) == (found.start, found.end)
        assert before.start < found.start < after.start


@pytest.mark.deep
def test_every_zone_parts_one_year_without_gaps() -> None:
    """A walk over the days of 2026 in each zone: 365 or so, one after the other."""
    begin, end = at("2026-01-01"), at("2027-01-01")
    for name in ZONES:
        time, days = begin, 0
        while time < end:
            _, day, _, _ = periods_at(name, time)
            assert day.start <= time < day.end
            time, days = day.end, days + 1
        assert days in (365, 366), name
