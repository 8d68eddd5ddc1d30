"""When the members of a consolidated memory are due, as its record says; by examples."""

import json

import pytest

from memory.test_consolidation import Log, stored
from streams.core.log import RetentionSet
from streams.core.time import SECOND, format_time
from streams.memory.bytes import used_bytes
from streams.memory.consolidation_rows import MembersRow
from streams.memory.memories import RECORDS


def merged(*ttls: int | None) -> Log:
    """Memories a second after each other, with these ttls, as one."""
    log = Log()
    for number, ttl in enumerate(ttls):
        log.say(
            "same", memory_id=f"m{number:03}", given={} if ttl is None else {"ttl_seconds": ttl}
        )
        log.wait(1)
    log.consolidate()
    return log


def date(log: Log) -> int | None:
    """Seconds after noon at which the consolidated memory is deleted, as all who show it say."""
    log.log_time = log.now
    [record] = log.made()
    assert log.get(record["id"]) == record
    assert record["ttl_seconds"] is None
    sent = [o for o in log.outputs if o.topic == RECORDS and o.subject == record["id"]][-1]
    shown = json.loads(sent.data or b"")["gdpr_deletion_date"]
    for seconds in range(2_000):
        if format_time(log.entries[0].timestamp + seconds * SECOND) == record["gdpr_deletion_date"]:
            assert shown == record["gdpr_deletion_date"]
            return seconds
    assert shown is record["gdpr_deletion_date"] is None
    return None


@pytest.mark.parametrize(
    ("ttls", "rules", "expected"),
    [
        ((100, 200, 150), (None, None), 201),
        ((100, 100), (None, None), 101),
        ((100, None), (None, None), None),
        ((None, None), (None, None), None),
        ((100, None), (300, None), 301),
        ((None, 900), (300, None), 901),
        ((100, 200), (None, 500), 501),
        ((600, 100), (None, 500), 600),
        ((None, None), (300, 500), 501),
        ((100, None), (None, 500), None),
    ],
)
def test_the_last_of_its_members_says_when_it_is_deleted(
    ttls: tuple[int | None, ...], rules: tuple[int | None, int | None], expected: int | None
) -> None:
    log = merged(*ttls)
    log.append(RetentionSet(*rules))
    log.wait(0, ticks=2)
    assert date(log) == expected
    assert stored(log) == used_bytes(log.view, "t1")
    # Made by those rules it says the same.
    log = Log()
    log.append(RetentionSet(*rules))
    for number, ttl in enumerate(ttls):
        log.say("same", memory_id=f"m{number}", given={} if ttl is None else {"ttl_seconds": ttl})
        log.wait(1)
    log.consolidate()
    assert date(log) == expected


def test_only_a_record_that_shows_another_date_goes_out_again() -> None:
    log = merged(100, 200)
    sent = []
    for rules in ((None, 500), (None, 500), (300, 500), (300, 501)):
        at = len(log.outputs)
        log.append(RetentionSet(*rules))
        log.wait(0, ticks=2)
        sent.append(len([o for o in log.outputs[at:] if o.topic == RECORDS]))
    assert sent == [1, 0, 0, 1]


def test_the_date_goes_with_the_members() -> None:
    log = merged(100, 200, 60)
    assert date(log) == 201
    log.say("same", memory_id="m9", given={"ttl_seconds": 1_000})
    log.consolidate()
    assert date(log) == 1_003
    log.erase("m9")
    assert date(log) == 201
    log.say("same", memory_id="m8")
    log.consolidate()
    assert date(log) is None


def test_a_correction_gives_it_no_ttl_of_its_own() -> None:
    log = merged(100, 200)
    [one] = log.made()
    log.say("they are the same", memory_id=one["id"], given={"ttl_seconds": 5})
    assert date(log) == 201
    log.wait(50, ticks=1)
    assert log.made()[0]["content"] == "they are the same"


def test_what_was_made_before_these_figures_were_is_asked_itself() -> None:
    log = merged(100, 200, None)
    for key, _ in list(log.view.scan(MembersRow, MembersRow.kind)):
        log.view.delete(key)
    log.append(RetentionSet(300, None))
    log.wait(0, ticks=2)
    assert date(log) == 302
    log.wait(100)
    log.log_time = log.now
    assert log.made()[0]["sources"] == ["m001", "m002"]
