"""What a look at alike memories leaves alone: what is hidden, and what is on hold."""

from typing import Any

from usage.writer import data

from memory.memory_log import MemoryLog
from streams.core.fold import Output
from streams.core.log import MemoryConsolidate
from streams.memory.erase import AT_ONCE


def merged(outputs: list[Output]) -> list[list[str]]:
    """Members of each consolidated memory that is told."""
    return [
        data(o)["members"]
        for o in outputs
        if (o.topic, o.type) == ("memory.consolidated.v1", "memory.consolidated")
    ]


def say(log: MemoryLog, *names: str, **given: Any) -> None:
    for number, name in enumerate(names):
        log.say(f"task {number} ended", memory_id=name, given=given)


def test_what_is_due_is_merged_no_more() -> None:
    log = MemoryLog()
    say(log, "a", "b", ttl_seconds=60)
    say(log, "c", "d")
    log.wait(60)
    assert merged(log.append(MemoryConsolidate(None))) == [["c", "d"]]


def test_what_is_erased_is_told_nowhere_once_more() -> None:
    log = MemoryLog()
    say(log, *(f"m{number}" for number in range(2 * AT_ONCE)), subject="x")
    log.erase(subject="x")
    assert merged(log.append(MemoryConsolidate(None))) == []


def test_what_is_erased_takes_nothing_new_with_it() -> None:
    """A memory that was merged into one that is erased went with it."""
    log = MemoryLog()
    say(log, "a", "b")
    log.append(MemoryConsolidate(None))
    [one] = log.tiers()
    say(log, *(f"m{number}" for number in range(AT_ONCE)), agent="another")
    log.erase(*(f"m{number}" for number in range(AT_ONCE)), one)
    assert one not in log.tiers()
    say(log, "c")
    assert merged(log.append(MemoryConsolidate(None))) == []
    log.wait(1, ticks=3)
    assert set(log.tiers()) == {"c"}


def test_what_is_on_hold_is_not_extended() -> None:
    for hold in ("a", None):
        log = MemoryLog()
        say(log, "a", "b")
        log.append(MemoryConsolidate(None))
        [one] = log.tiers()
        log.keep(hold or one)
        say(log, "c")
        assert merged(log.append(MemoryConsolidate(None))) == []
        log.release(hold or one)
        assert merged(log.append(MemoryConsolidate(None))) == [["a", "b", "c"]]
