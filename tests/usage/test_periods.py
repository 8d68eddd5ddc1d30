"""Periods of a calendar: known days, and that they part all of time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.time import HOUR, zone
from streams.usage.periods import INDEX, PERIODS, periods_at
from usage.writer import at

ZONES = (
    "UTC",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/New_York",
    "America/St_Johns",  # set back at 00:01 until 2011: midnight twice
    "America/Sao_Paulo",  # set forward at 00:00 until 2018: no midnight
    "America/Havana",  # set back at 01:00 to 00:00
    "Asia/Beirut",
    "Africa/Cairo",
    "Asia/Pyongyang",  # half an hour forward at 23:30 in 2018
    "Australia/Lord_Howe",  # summer time of half an hour
    "Pacific/Apia",  # no 30 December 2011
    "Pacific/Kwajalein",
    "Pacific/Chatham",
    "Africa/Monrovia",  # offset with seconds until 1972
    "Africa/Casablanca",
    "Antarctica/Troll",
    "America/Nuuk",  # set forward at 22:00 on Saturday, and back
)

KNOWN = [
    ("UTC", "day", "2026-03-02T12", "2026-03-02", "2026-03-03"),
    ("UTC", "week", "2026-03-01T23:59", "2026-02-23", "2026-03-02"),
    ("UTC", "week", "2026-03-02", "2026-03-02", "2026-03-09"),
    ("UTC", "month", "2024-02-29T12", "2024-02-01", "2024-03-01"),
    ("UTC", "month", "2025-12-31T23", "2025-12-01", "2026-01-01"),
    ("UTC", "hour", "2026-03-02T12:59:59", "2026-03-02T12", "2026-03-02T13"),
    ("UTC", "hour", "1970-01-01T00", "1970-01-01", "1970-01-01T01"),
    # a day of 23 and one of 25 hours
    ("Europe/Berlin", "day", "2026-03-29T10", "2026-03-28T23", "2026-03-29T22"),
    ("Europe/Berlin", "day", "2026-10-25T10", "2026-10-24T22", "2026-10-25T23"),
    ("Europe/Berlin", "month", "2026-03-31T22:00", "2026-03-31T22", "2026-04-30T22"),
    # the hour that comes twice is two
    ("Europe/Berlin", "hour", "2026-10-25T00:30", "2026-10-25T00", "2026-10-25T01"),
    ("Europe/Berlin", "hour", "2026-10-25T01:30", "2026-10-25T01", "2026-10-25T02"),
    ("Asia/Kolkata", "day", "2026-03-01T18:29:59", "2026-02-28T18:30", "2026-03-01T18:30"),
    ("Asia/Kolkata", "day", "2026-03-01T18:30", "2026-03-01T18:30", "2026-03-02T18:30"),
    ("Asia/Kolkata", "hour", "2026-03-01T18:45", "2026-03-01T18:30", "2026-03-01T19:30"),
    ("Asia/Kathmandu", "week", "2026-03-01T18:15", "2026-03-01T18:15", "2026-03-08T18:15"),
    ("Asia/Kathmandu", "hour", "2026-03-01T18:14", "2026-03-01T17:15", "2026-03-01T18:15"),
    # the day begins at 01:00, the hour is cut where the clock is changed
    ("America/Sao_Paulo", "day", "2018-11-04T03:00", "2018-11-04T03", "2018-11-05T02"),
    ("America/Sao_Paulo", "day", "2018-11-04T02:59", "2018-11-03T03", "2018-11-04T03"),
    ("Australia/Lord_Howe", "hour", "2026-04-04T15:10", "2026-04-04T15:00", "2026-04-04T15:30"),
    # a day that does not exist
    ("Pacific/Apia", "day", "2011-12-30T09:59", "2011-12-29T10", "2011-12-30T10"),
    ("Pacific/Apia", "day", "2011-12-30T10:00", "2011-12-30T10", "2011-12-31T10"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "time", "start", "end"), KNOWN)
def test_known_periods(name: str, kind: str, time: str, start: str, end: str) -> None:
    found = periods_at(name, at(time))[INDEX[kind]]
    assert (found.start, found.end) == (at(start), at(end))


def _near_changes(name: str) -> list[int]:
    """Days on which the zone's clock is changed, 1970 to 2037."""
    place, found = zone(name), []
    day = datetime(1970, 1, 1, tzinfo=UTC)
    while day.year < 2038:
        after = day + timedelta(days=1)
        if day.astimezone(place).utcoffset() != after.astimezone(place).utcoffset():
            found.append(int(day.timestamp()))
        day = after
    return found or [0]


CHANGES = {name: _near_changes(name) for name in ZONES}

instants = st.integers(0, at("2100-01-01"))


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, int]:
    """A zone and an instant, half of them near a change of the clock."""
    name = draw(st.sampled_from(ZONES))
    if draw(st.booleans()):
        day = draw(st.sampled_from(CHANGES[name])) * 1_000_000
        return name, day + draw(st.integers(-24 * HOUR, 48 * HOUR))
    return name, draw(instants)


@settings(deadline=None)
@given(moments())
def test_each_instant_is_in_one_period_and_periods_adjoin(moment: tuple[str, int]) -> None:
    name, time = moment
    for index, found in enumerate(periods_at(name, time)):
        assert found.start <= time < found.end, PERIODS[index]
        for inside in (found.start, (found.start + found.end) // 2, found.end - 1):
            assert periods_at(name, inside)[index] == found
        assert periods_at(name, found.end)[index].start == found.end
        assert periods_at(name, found.start - 1)[index].end == found.start


def _wall(place: ZoneInfo, time: int) -> datetime:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)
    return moment.astimezone(place).replace(tzinfo=None)


@settings(deadline=None)
@given(moments())
def test_a_day_begins_when_its_date_is_first_reached(moment: tuple[str, int]) -> None:
    """The dates shown by the zone's clock, an oracle that knows of no bounds."""
    name, time = moment
    place = zone(name)
    hour, day, week, month = periods_at(name, time)
    first = _wall(place, day.start)
    assert _wall(place, day.start - 1).date() < first.date()
    latest = max(_wall(place, day.start + step * HOUR // 4) for step in range(4))
    assert latest.date() == first.date()
    assert _wall(place, week.start).weekday() == 0
    assert _wall(place, month.start - 1).month != _wall(place, month.start).month
    assert _wall(place, hour.end - 1) - _wall(place, hour.start) < timedelta(hours=1)
