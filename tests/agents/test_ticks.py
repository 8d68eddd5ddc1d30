"""A tick that has everything to do at once changes no more rows than a record may."""

from collections import Counter
from typing import Any

from memory.memory_log import MemoryLog
from usage.memory_view import MemoryView
from usage.writer import at

from streams.agents.fold import fold
from streams.core.fold import MOST_CHANGES, Bounded, changes_left, settle
from streams.core.log import MemoryConsolidate, RetentionSet, Tick, Vector
from streams.core.rows import Row
from streams.memory.rows import CountRow, MemoryRow

TENANTS = ("t1", "t2", "t3")


class Changed(MemoryView):
    """Knows which rows the last record has changed."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: set[bytes] = set()

    def put(self, key: bytes, row: Row) -> None:
        self.keys.add(key)
        super().put(key, row)

    def delete(self, key: bytes) -> None:
        self.keys.add(key)
        super().delete(key)


class Log(MemoryLog):
    """Notes how many rows each record changes at most, by its type."""

    def __init__(self) -> None:
        super().__init__(Changed())
        self.most: Counter[str] = Counter()

    def append(self, body: Any, **rest: Any) -> Any:
        assert isinstance(self.view, Changed)
        self.view.keys.clear()
        outputs = super().append(body, **rest)
        name = type(body).__name__
        self.most[name] = max(self.most[name], len(self.view.keys))
        return outputs


def busy() -> Log:
    """Tenants of which much is merged in pairs, due, erased, released and too much."""
    log = Log()
    log.limit(5)
    log.hold(1 << 30)
    for tenant in TENANTS:
        for number in range(60):
            given = {"agent": f"a{number // 2}", "cost_attribution": f"c{number // 2}"}
            given |= {"subject": "x", "session": "s", "ttl_seconds": 9_000 + number % 2 * 9_000}
            vector = Vector("m", 0.5, b"abc")
            name, text = f"m{number}", f"task {number} ended"
            log.say(text, memory_id=name, tenant=tenant, vector=vector, given=given)
        log.append(MemoryConsolidate(100), tenant=tenant)
        for _ in range(3):
            log.append(Tick(), tenant="")
        for number in range(60):
            given = {"agent": f"b{number // 2}", "subject": "y", "session": "s"}
            log.say(f"job {number} done", memory_id=f"n{number}", tenant=tenant, given=given)
    log.keep(subject="x", tenant="t3")
    log.wait(9_500)
    return log


def test_a_tick_with_all_to_do_changes_no_more_rows_than_a_record_may() -> None:
    log = busy()
    log.append(RetentionSet(7_000, 8_000), tenant="t1")
    log.erase(*(f"m{number}" for number in range(0, 60, 2)), tenant="t2")
    log.erase(subject="y", tenant="t1")
    log.release(subject="x", tenant="t3")
    log.erase(subject="x", tenant="t3")
    log.quota(0, tenant="t2")
    for second in range(30):
        log.wait(second % 2, ticks=1)
    assert max(log.most.values()) <= MOST_CHANGES, log.most
    # Each of it did go on.
    log.wait(20_000, ticks=30)
    left = [row for _, row in log.view.scan(MemoryRow, MemoryRow.kind)]
    assert {(row.subject, row.ttl_seconds) for row in left} == {("y", None)}


def test_rows_are_counted_once() -> None:
    view = Bounded(MemoryView())
    row = CountRow(1, 2)
    for _ in range(2):
        view.put(b"m/a", row)
    view.delete(b"m/b")
    assert (changes_left(view), changes_left(MemoryView())) == (MOST_CHANGES - 2, MOST_CHANGES)
    assert view.get(CountRow, b"m/a") == row
    assert [key for key, _ in view.scan(CountRow, b"m/")] == [b"m/a"]


def test_what_a_chunk_has_put_off_is_no_change_of_its_tick() -> None:
    """A statement settles it: where chunks end made a difference to what else the tick does."""
    log = MemoryLog(now="2026-03-31T12")
    log.call("0.01")
    log.now = at("2026-04-01T20")
    for number in range(60):
        log.say("x", memory_id=f"m{number:02}", given={"ttl_seconds": 14_400})
    log.wait(1, ticks=2)
    log.now = at("2026-04-02T00:00:04")
    for number in range(30):
        log.call("0.01", agent=f"a{number}")
    log.append(Tick(), tenant="")

    def folded(last_chunk: int) -> MemoryView:
        view = MemoryView(stored=True)
        for left, entry in zip(reversed(range(len(log.entries))), log.entries, strict=True):
            fold(view, entry)
            if left >= last_chunk:
                settle(view)
        settle(view)
        return view

    assert folded(32).rows == folded(0).rows
