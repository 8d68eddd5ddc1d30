"""Usage periods of a tenant that moves from one zone to another."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.time import HOUR
from streams.usage.read import usage_report
from streams.usage.rows import PeriodRow
from usage.writer import Writer, at

ZONES = ("UTC", "Asia/Kolkata", "America/New_York", "Pacific/Apia", "Asia/Kathmandu")


def days(log: Writer) -> list[tuple[str, str, int]]:
    body = usage_report(log.view, "t1", period="day")
    return [(b["start"][5:16], b["end"][5:16], b["calls"]) for b in body["buckets"]]


def test_an_opened_period_keeps_its_bounds_and_the_next_begins_where_it_ends() -> None:
    log = Writer()
    log.call(time="2026-03-02T12")
    log.zone("Asia/Kolkata")
    log.call(time="2026-03-02T20")  # Kolkata's 3 March, but in the day that is open
    log.call(time="2026-03-03T01")
    log.call(time="2026-03-03T18:30")
    assert days(log) == [
        ("03-02T00:00", "03-03T00:00", 2),
        ("03-03T00:00", "03-03T18:30", 1),
        ("03-03T18:30", "03-04T18:30", 1),
    ]


def test_a_day_that_was_not_opened_is_of_the_new_zone() -> None:
    log = Writer()
    log.zone("Asia/Kolkata")
    log.call(time="2026-03-02T20")
    assert days(log) == [("03-02T18:30", "03-03T18:30", 1)]
    assert usage_report(log.view, "t1")["timezone"] == "Asia/Kolkata"


def test_a_late_event_fits_between_opened_days() -> None:
    log = Writer()
    log.call(time="2026-03-02T12")
    log.call(time="2026-02-28T12")
    log.zone("Asia/Kolkata")
    log.call(time="2026-03-01T12")  # 28 February 18:30 to 1 March 18:30, less what is open
    log.call(time="2026-03-01T19")  # 1 March 18:30 to 2 March 18:30, less what is open
    assert days(log) == [
        ("02-28T00:00", "03-01T00:00", 1),
        ("03-01T00:00", "03-01T18:30", 1),
        ("03-01T18:30", "03-02T00:00", 1),
        ("03-02T00:00", "03-03T00:00", 1),
    ]


moves = st.lists(
    st.one_of(
        st.sampled_from(ZONES),
        st.integers(at("2011-12-20"), at("2012-01-10")),
        st.integers(0, 60).map(lambda n: at("2011-12-30") + n * HOUR // 2),
    ),
    min_size=5,
    max_size=30,
)


@settings(deadline=None)
@given(moves)
def test_opened_periods_never_overlap_and_hold_their_events(steps: list[str | int]) -> None:
    log = Writer(now="2012-01-10")
    times = []
    for step in steps:
        if isinstance(step, str):
            log.zone(step)
        else:
            log.call(time=step)
            times.append(step)
    for period, code in (("hour", b"h"), ("day", b"d"), ("week", b"w"), ("month", b"m")):
        rows = [row for _, row in log.view.scan(PeriodRow, b"p/t1\x00" + code)]
        assert all(a.end <= b.start for a, b in pairwise(rows))
        buckets = usage_report(log.view, "t1", period=period)["buckets"]
        counts = [sum(row.start <= time < row.end for time in times) for row in rows]
        assert [b["calls"] for b in buckets] == counts
        assert sum(counts) == len(times)
