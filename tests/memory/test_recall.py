"""Lists of memories: in order, filtered, page by page."""

import json

import pytest

from memory.memory_log import MemoryLog
from streams.core.errors import ApiError
from streams.memory import pages, recall
from streams.memory.rows import timeline_key


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    log.limit(2)
    for memory_id, agent, session, priority, ago in (
        ("b", "x", "s", "LOW", 5),
        ("a", "x", "", "HIGH", 5),
        ("c", "x", "s", "HIGH", 0),
        ("d", "y", "s", "HIGH", 9),
        ("é".encode().hex(), "", "", "MEDIUM", -1),
    ):
        given = {"agent": agent, "session": session, "priority": priority}
        log.say(memory_id=memory_id, given=given, time=log.now - ago)
    log.say(memory_id="a", tenant="t")
    log.say(memory_id="a", tenant="t10")
    return log


def walk(log: MemoryLog, limit: int, **filters: str) -> list[list[str]]:
    found: list[list[str]] = []
    after = None
    while True:
        items, after = recall.memories(
            log.view, "t1", limit=limit, log_time=0, after=after, **filters
        )  # type: ignore[arg-type]
        found.append([json.loads(bytes(item))["id"] for item in items])
        if after is None:
            return found


def test_pages_of_any_size_hold_the_same_newest_first(log: MemoryLog) -> None:
    order = ["c3a9", "c", "a", "b", "d"]
    assert walk(log, 10) == [order]
    assert walk(log, 5) == [order]
    assert walk(log, 2) == [order[:2], order[2:4], order[4:]]
    assert [name for page in walk(log, 1) for name in page] == order


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"agent": "x"}, ["c", "a", "b"]),
        ({"agent": ""}, ["c3a9"]),
        ({"session": "s"}, ["c", "b", "d"]),
        ({"priority": "HIGH"}, ["c", "a", "d"]),
        ({"tier": "long_term"}, ["b"]),
        ({"tier": "working", "agent": "x", "session": "s", "priority": "HIGH"}, ["c"]),
        ({"tier": "archived"}, []),
    ],
)
def test_filters_are_exact(log: MemoryLog, filters: dict[str, str], expected: list[str]) -> None:
    assert walk(log, 10, **filters) == [expected]
    assert [name for page in walk(log, 1, **filters) for name in page] == expected


def test_a_page_looks_at_so_many_rows(log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "SCANNED", 2)
    found = walk(log, 10, agent="y")
    assert [name for page in found for name in page] == ["d"]
    assert [] in found


def test_one_memory(log: MemoryLog) -> None:
    found = json.loads(bytes(recall.memory(log.view, "t1", "a", log_time=0)))
    assert (found["tenant"], found["agent"], found["session"]) == ("t1", "x", None)
    assert found in log.records()
    for tenant, name in (("t1", "none"), ("t", "b"), ("t2", "a")):
        with pytest.raises(ApiError) as caught:
            recall.memory(log.view, tenant, name, log_time=0)
        assert (caught.value.status, caught.value.code) == (404, "not_found")


def test_a_cursor_opens_no_other_tenants_list(log: MemoryLog) -> None:
    with pytest.raises(ApiError) as caught:
        recall.memories(log.view, "t1", limit=1, log_time=0, after=timeline_key("t", 0, "a"))
    assert caught.value.status == 400
