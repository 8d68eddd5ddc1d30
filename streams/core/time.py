"""Time is integer microseconds since 1970 UTC; JSON shows RFC 3339 with six digits and ``Z``."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def parse_time(text: str) -> int:
    """Read an RFC 3339 time; digits below the microsecond are cut.

    Raises
    ------
    ValueError
        Not RFC 3339, without a zone, or no such day.

    Examples
    --------
    >>> parse_time("1970-01-01T01:00:00.000001+01:00")
    1
    """
    # As most senders write it; the seconds of a busy hour come again and again.
    if len(text) == 27 and text[19] == "." and text[26] == "Z":
        digits = text[20:26]
        if digits.isascii() and digits.isdigit():
            return _second(text[:19]) + int(digits)
    return _parse(text)


@lru_cache(maxsize=4096)
def _second(text: str) -> int:
    """Microseconds of a time in UTC that has no zone and no fraction."""
    return _parse(f"{text}Z")


def _parse(text: str) -> int:
    if _RFC3339.fullmatch(text) is None:
        raise ValueError("not an RFC 3339 time with a zone")
    # What is below the microsecond is cut there too; a small z is not known.
    return from_datetime(datetime.fromisoformat(text.replace("z", "Z")))


def format_time(micros: int) -> str:
    """Write a time as RFC 3339, UTC, six fraction digits.

    Examples
    --------
    >>> format_time(1)
    '1970-01-01T00:00:00.000001Z'
    """
    moment = EPOCH + timedelta(microseconds=micros)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def from_datetime(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exact."""
    return (moment - EPOCH) // _MICROSECOND


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Load an IANA zone from the pinned tzdata package, never from the machine's own files.

    Raises
    ------
    ValueError
        No such zone.

    Notes
    -----
    Periods decide alerts, so two workers with different system time zones data must not differ.
    """
    if name not in zone_names():
        raise ValueError(f"no such IANA time zone: {name!r}")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Names of all zones of the pinned tzdata."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())
