"""What is kept of an index never changes what is found."""

import asyncio
import tempfile
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.errors import StoreLost
from streams.core.fold import Rows
from streams.core.log import Vector
from streams.memory import documents
from streams.memory.index import TenantIndex
from streams.memory.ranking import Filters, search
from streams.runtime import indexes as module
from streams.runtime.indexes import Indexes

from .partitions import Partition

TENANTS = ("t1", "t", "t2")
LARGE = 1 << 30
QUERY = "kafka lag in eu-1"
QUESTION = b"\x10\x20\x30"


def ranked(index: TenantIndex, rows: Rows, now: int) -> list[Any]:
    found = search(index, QUERY, Filters(), 100, now, vector=QUESTION, model="m")
    return [(each.id, each.score, each.parts) for each in found]


def anew(partition: Partition, tenant: str) -> list[Any]:
    """What an index finds that is built of the rows as they are now."""
    page, end = documents.page(partition.reader, tenant, b"", 1 << 20)
    assert end is None
    return ranked(TenantIndex.of(page), partition.reader, partition.log_time)


def running(test: Callable[[Partition], Coroutine[Any, Any, None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        partition = Partition(Path(folder) / "db")

        async def run() -> None:
            try:
                await test(partition)
            finally:
                await partition.close()

        asyncio.run(run())


ids = st.sampled_from([f"m{n}" for n in range(6)])
texts = st.lists(st.sampled_from(["kafka", "lag", "eu-1", "gate", "the", "Kafka's"]), max_size=6)
vectors = st.none() | st.builds(
    Vector, st.sampled_from("mn"), st.just(0.1), st.binary(min_size=3, max_size=3)
)
fields = st.fixed_dictionaries(
    {},
    optional={
        "agent": st.sampled_from(["a", "b"]),
        "session": st.sampled_from(["s", "u"]),
        "priority": st.sampled_from(["LOW", "CRITICAL"]),
        "context_tags": st.just(("kafka",)),
        "cluster_state": st.sampled_from([{"cluster": "eu-1"}, {"nodes": [1]}]),
        "pipeline_context": st.just(("lag",)),
        "related_memories": st.lists(ids, max_size=2).map(tuple),
        "metadata": st.just({"rows": 4.0, "a": None}),
    },
)
tenants = st.sampled_from(TENANTS)
steps = st.lists(
    st.tuples(st.just("say"), tenants, ids, texts, vectors, fields)
    | st.tuples(st.just("use"), tenants, st.lists(st.tuples(ids, st.integers(1, 3)), max_size=3))
    | st.tuples(st.just("limit"), st.integers(1, 4))
    | st.tuples(st.just("wait"), st.integers(1, 10**6))
    | st.tuples(st.just("commit"))
    | st.tuples(st.just("ask"), tenants),
    max_size=40,
)


def do(partition: Partition, step: tuple[Any, ...]) -> None:
    log = partition.log
    match step:
        case ("say", tenant, memory_id, words, vector, given):
            text = " ".join(words) or "."
            log.say(text, memory_id=memory_id, vector=vector, given=given, tenant=tenant)
        case ("use", tenant, counts):
            log.access(*counts, tenant=tenant)
        case ("limit", limit):
            log.limit(limit)
        case ("wait", seconds):
            log.wait(seconds, ticks=2)
        case _:
            partition.commit()


@settings(max_examples=60, deadline=None)
@given(
    steps=steps,
    limit=st.sampled_from([0, 6_000, LARGE]),
    page=st.sampled_from([1, 2, 200]),
    catch_up=st.sampled_from([1, 3, 64]),
    unasked=st.sampled_from([0, 1_000]),
)
def test_a_kept_index_is_one_built_anew(
    steps: list[Any], limit: int, page: int, catch_up: int, unasked: int
) -> None:
    async def test(partition: Partition) -> None:
        indexes = Indexes(limit)
        for step in (*steps, ("commit",), *(("ask", tenant) for tenant in TENANTS)):
            if step[0] != "ask":
                do(partition, step)
                await asyncio.sleep(0)
                continue
            partition.commit()
            assert await indexes.use(partition, step[1], ranked) == anew(partition, step[1])
            assert indexes.nbytes <= limit
        await indexes.stop()

    with (
        patch.object(module, "PAGE", page),
        patch.object(module, "CATCH_UP", catch_up),
        patch.object(module, "UNASKED", unasked),
    ):
        running(test)


@pytest.fixture
async def partition(tmp_path: Path) -> Any:
    one = Partition(tmp_path / "db")
    one.log.say("kafka lag", memory_id="a")
    one.commit()
    yield one
    await one.close()


@pytest.fixture
async def indexes() -> Any:
    one = Indexes(LARGE)
    yield one
    await one.stop()


class Held:
    """Work that a thread does until it is told to go on."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go = threading.Event()

    def __call__(self, index: TenantIndex, rows: Rows, now: int) -> list[Any]:
        self.began.set()
        assert self.go.wait(20)
        return ranked(index, rows, now)

    async def wait(self) -> None:
        assert await asyncio.to_thread(self.began.wait, 20)


async def test_an_answer_stands_for_the_moment_at_which_its_turn_began(
    partition: Partition, indexes: Indexes
) -> None:
    before = anew(partition, "t1")
    held = Held()
    asked = asyncio.create_task(indexes.use(partition, "t1", held))
    await held.wait()
    partition.log.say("more kafka lag", memory_id="b")
    partition.log.access(("a", 5))
    partition.commit()
    held.go.set()
    assert await asked == before
    after = await indexes.use(partition, "t1", ranked)
    assert after == anew(partition, "t1") != before


async def test_what_comes_while_an_index_is_built_is_in_it(
    partition: Partition, indexes: Indexes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b", "c", "d"):
        partition.log.say("lag", memory_id=name)
    partition.commit()
    monkeypatch.setattr(module, "PAGE", 2)
    began, go, pages = threading.Event(), threading.Event(), []
    read = documents.page

    def page(*given: Any) -> documents.Page:
        found = read(*given)
        pages.append(len(found[0]))
        began.set()
        assert go.wait(20)
        return found

    monkeypatch.setattr(documents, "page", page)
    asked = asyncio.create_task(indexes.use(partition, "t1", ranked))
    assert await asyncio.to_thread(began.wait, 20)
    # One that was read, one that was not, one that is new on either side of the page.
    for name in ("a", "d", "aa", "e"):
        partition.log.say("kafka kafka", memory_id=name)
    partition.commit()
    go.set()
    found = await asked
    monkeypatch.setattr(documents, "page", read)
    assert found == anew(partition, "t1")
    assert len(found) == 6
    assert len(pages) > 1


async def test_searches_of_one_tenant_take_turns_though_one_is_given_up(
    partition: Partition, indexes: Indexes
) -> None:
    held, order = Held(), []

    def second(index: TenantIndex, rows: Rows, now: int) -> None:
        order.append(held.go.is_set())

    given_up = asyncio.create_task(indexes.use(partition, "t1", held))
    await held.wait()
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    asked = asyncio.create_task(indexes.use(partition, "t1", second))
    # Another tenant is not held up.
    assert await indexes.use(partition, "t2", ranked) == []
    assert order == []
    held.go.set()
    await asked
    assert order == [True]


async def test_what_was_asked_longest_ago_leaves_first(partition: Partition) -> None:
    for tenant in TENANTS:
        partition.log.say("lag", memory_id="x", tenant=tenant)
    partition.commit()
    probe = Indexes(LARGE)
    for tenant in TENANTS:
        await probe.use(partition, tenant, ranked)
    limit = probe.nbytes - 1
    await probe.stop()
    assert probe.nbytes == 0
    partition.watcher = None
    indexes = Indexes(limit)
    for tenant in ("t1", "t", "t1", "t2"):
        await indexes.use(partition, tenant, ranked)
    assert [tenant in indexes for tenant in ("t1", "t", "t2")] == [True, False, True]
    await indexes.stop()


async def test_with_nothing_to_keep_in_nothing_is_kept(partition: Partition) -> None:
    indexes = Indexes(0)
    held = Held()
    both = [asyncio.create_task(indexes.use(partition, "t1", held)) for _ in range(2)]
    await held.wait()
    assert "t1" in indexes  # the second one waits for it
    held.go.set()
    assert await both[0] == await both[1] == anew(partition, "t1")
    assert "t1" not in indexes
    assert indexes.nbytes == 0
    await indexes.stop()


async def test_a_lost_partition_takes_its_indexes_along(tmp_path: Path, indexes: Indexes) -> None:
    first = Partition(tmp_path / "db")
    first.log.say("kafka", memory_id="a")
    first.commit()
    await indexes.use(first, "t1", ranked)
    held = Held()
    asked = [asyncio.create_task(indexes.use(first, "t1", work)) for work in (held, ranked)]
    await held.wait()
    closing = asyncio.create_task(first.close())
    await asyncio.sleep(0)
    assert "t1" not in indexes
    assert not closing.done()  # a thread reads the database
    held.go.set()
    await closing
    assert len(await asked[0]) == 1
    with pytest.raises(StoreLost):
        await asked[1]
    # Nothing is left open: the next owner here can open it at once.
    again = Partition(tmp_path / "db")
    assert len(await indexes.use(again, "t1", ranked)) == 1
    await again.close()
    with pytest.raises(StoreLost):
        await indexes.use(again, "t1", ranked)


async def test_a_build_ends_when_the_partition_is_lost(
    tmp_path: Path, indexes: Indexes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Partition(tmp_path / "db")
    for number in range(20):
        first.log.say("kafka", memory_id=f"m{number}")
    first.commit()
    began, go, put = threading.Event(), threading.Event(), []
    plain = TenantIndex.put

    def slow(self: TenantIndex, document: Any) -> None:
        put.append(document.id)
        began.set()
        assert go.wait(20)
        plain(self, document)

    monkeypatch.setattr(TenantIndex, "put", slow)
    asked = asyncio.create_task(indexes.use(first, "t1", ranked))
    assert await asyncio.to_thread(began.wait, 20)
    closing = asyncio.create_task(first.close())
    await asyncio.sleep(0)
    go.set()
    await closing
    with pytest.raises(StoreLost):
        await asked
    assert len(put) == 1
    await Partition(tmp_path / "db").close()


async def test_an_index_that_failed_half_way_is_built_anew(
    partition: Partition, indexes: Indexes
) -> None:
    def fails(index: TenantIndex, rows: Rows, now: int) -> None:
        index.remove("a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await indexes.use(partition, "t1", fails)
    assert await indexes.use(partition, "t1", ranked) == anew(partition, "t1")


async def test_a_hot_index_catches_up_by_itself(
    partition: Partition,
    indexes: Indexes,
    monkeypatch: pytest.MonkeyPatch,
    until: Callable[..., Any],
) -> None:
    monkeypatch.setattr(module, "CATCH_UP", 3)
    index = await indexes.use(partition, "t1", lambda index, rows, now: index)
    for name in ("b", "c"):
        partition.log.say("lag", memory_id=name)
    partition.commit()
    assert len(index) == 1
    partition.log.say("lag", memory_id="d")
    partition.commit()
    await until(lambda: len(index) == 4)


async def test_a_pruned_memory_is_found_no_more(partition: Partition, indexes: Indexes) -> None:
    partition.log.say("kafka lag", memory_id="b", vector=Vector("m", 0.1, b"abc"))
    partition.commit()
    found = await indexes.use(partition, "t1", ranked)
    assert "b" in [name for name, *_ in found]
    partition.log.quota(0)
    partition.log.wait(1, ticks=1)
    partition.commit()
    assert await indexes.use(partition, "t1", ranked) == anew(partition, "t1") == []


async def test_an_index_that_nobody_asks_for_is_not_kept_up_to_date(
    partition: Partition, indexes: Indexes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNASKED", 2)
    await indexes.use(partition, "t1", ranked)
    for name in ("b", "c", "d"):
        partition.log.say("lag", memory_id=name)
        partition.commit()
    assert "t1" in indexes
    partition.log.say("lag", memory_id="e")
    partition.commit()
    assert "t1" not in indexes
    assert await indexes.use(partition, "t1", ranked) == anew(partition, "t1")
