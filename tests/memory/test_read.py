"""Lists of an agent's keys: in order, page by page, without what is gone."""

import pytest

from memory.state_log import StateLog
from streams.core.errors import ApiError
from streams.memory import pages, read
from streams.memory.rows import state_keys


def walk(log: StateLog, limit: int, agent: str = "a1") -> list[list[str]]:
    found: list[list[str]] = []
    after = None
    while True:
        items, after = read.states(
            log.view, "t1", agent, limit=limit, after=after, log_time=log.log_time
        )
        found.append([item["key"] for item in items])
        if after is None:
            return found


@pytest.fixture
def log() -> StateLog:
    log = StateLog()
    for key in ("b", "é", "a", "B", "gone", "a/1"):
        log.set(key, key=key)
    log.set(1, key="old", ttl=1)
    log.unset(key="gone")
    log.set(1, agent="a10", key="x")
    log.set(1, tenant="t2", key="y")
    log.now += 1_000_000
    log.set(2, agent="a10", key="x")
    return log


def test_pages_of_any_size_hold_the_same_keys_in_order(log: StateLog) -> None:
    keys = ["B", "a", "a/1", "b", "é"]
    assert walk(log, 10) == [keys]
    assert walk(log, 2) == [keys[:2], keys[2:4], keys[4:]]
    assert [key for page in walk(log, 1) for key in page] == keys
    assert walk(log, 10, "nobody") == [[]]


def test_a_page_looks_at_so_many_rows(log: StateLog, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        log.set(0, key=f"c{number:02}")
        log.unset(key=f"c{number:02}")
    monkeypatch.setattr(pages, "SCANNED", 4)
    found = walk(log, 10)
    assert [key for page in found for key in page] == ["B", "a", "a/1", "b", "é"]
    assert [] in found


def test_what_a_list_says_of_a_key(log: StateLog) -> None:
    log.set({"n": 1}, agent="one", key="k", ttl=60)
    items, _ = read.states(log.view, "t1", "one", limit=1, after=None, log_time=log.log_time)
    assert items == [
        {
            "key": "k",
            "version": 1,
            "updated_at": "2026-03-02T12:00:01.000000Z",
            "expires_at": "2026-03-02T12:01:01.000000Z",
            "bytes": 7,
        }
    ]


def test_a_cursor_opens_no_other_agents_list(log: StateLog) -> None:
    with pytest.raises(ApiError) as caught:
        read.states(log.view, "t1", "a1", limit=1, after=state_keys("t1", "a10"), log_time=0)
    assert caught.value.status == 400
