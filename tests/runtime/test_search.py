"""One process's search: vectors, accesses, and tenants that never see one another."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.log import Vector
from streams.core.time import format_time
from streams.memory.question import Question
from streams.runtime.search import Search

from .partitions import Partition

ROOT = Path(__file__).parents[2]
LIMITS = (0, 4_000, 1 << 30)
"""Nothing is kept, one or two indexes are, all are."""


class Counted:
    """The accesses that were counted."""

    def __init__(self) -> None:
        self.given: list[tuple[str, list[str]]] = []

    def __call__(self, tenant: str, memory_ids: Any) -> None:
        self.given.append((tenant, list(memory_ids)))


async def embed(text: str) -> Vector | None:
    """A model of three dimensions; it knows nothing of an empty question."""
    return Vector("m", 0.1, bytes((len(text), text.count("a"), 7))) if text else None


@pytest.fixture
async def partition(tmp_path: Path) -> Any:
    one = Partition(tmp_path / "db")
    one.log.say("kafka lag", memory_id="a", vector=Vector("m", 0.1, b"\x09\x01\x07"))
    one.log.say("lunch", memory_id="b")
    one.commit()
    yield one
    await one.close()


async def found(search: Search, partition: Partition, tenant: str, **asked: Any) -> Any:
    return json.loads(bytes(await search.find(partition, tenant, Question(**asked))))


async def test_a_result_is_an_access_and_an_explained_one_is_not(partition: Partition) -> None:
    counted = Counted()
    search = Search(1 << 20, count=counted)
    first = await found(search, partition, "t1", query="lag")
    assert [result["memory"]["id"] for result in first["results"]] == ["a", "b"]
    assert first["as_of"] == format_time(partition.log_time)
    await found(search, partition, "t1", query="lag", limit=1)
    await found(search, partition, "t1", query="lag", explain=True)
    assert await found(search, partition, "t2", query="lag") == first | {"results": []}
    assert counted.given == [("t1", ["a", "b"]), ("t1", ["a"])]
    await search.stop()


async def test_explain_says_whether_the_question_had_a_vector(partition: Partition) -> None:
    search = Search(1 << 20, embed=embed)
    with_one = await found(search, partition, "t1", query="kafka lag", explain=True)
    without = await found(search, partition, "t1", query="", explain=True)
    assert all("dense" in result["parts"] for result in with_one["results"])
    assert all("dense" not in result["parts"] for result in without["results"])
    for result in with_one["results"] + without["results"]:
        assert sum(result["parts"].values()) == result["score"]
    await search.stop()


async def test_names_that_nobody_has_take_no_room(partition: Partition) -> None:
    search = Search(1 << 20)
    for number in range(20):
        await found(search, partition, f"nobody-{number}", query="lag")
    assert search.indexes.nbytes == 0
    await search.stop()


async def test_without_memories_no_question_is_embedded(partition: Partition) -> None:
    async def fails(text: str) -> Vector | None:
        raise AssertionError(text)

    search = Search(1 << 20, embed=fails)
    assert (await found(search, partition, "nobody", query="lag"))["results"] == []
    await search.stop()


# -- tenants with equal contents, ids and questions ----------------------------------------------

OWN, OTHERS = "t", ("t1", "T", "t.", "t-t")
ids = st.sampled_from(["a", "b", "c", "t"])
texts = st.sampled_from(
    ["kafka lag", "lag of kafka in eu-1", "the gate", "kafka kafka", "gate lag"]
)
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
        "related_memories": st.lists(ids, max_size=2).map(tuple),
        "subject": st.just("p"),
    },
)
questions = st.fixed_dictionaries(
    {"query": st.sampled_from(["kafka lag", "gate in eu-1", "a", ""])},
    optional={
        "limit": st.integers(1, 3),
        "explain": st.booleans(),
        "agent": st.just("a"),
        "min_priority": st.just("HIGH"),
        "subject": st.just("p"),
    },
)


def steps_of(tenants: st.SearchStrategy[str], size: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(
        st.tuples(st.just("say"), tenants, ids, texts, vectors, fields)
        | st.tuples(st.just("ask"), tenants, questions)
        | st.tuples(st.just("use"), tenants, ids),
        max_size=size,
    )


def run(test: Callable[[Partition], Coroutine[Any, Any, list[bytes]]]) -> list[bytes]:
    """What a test finds in a partition of its own."""
    with tempfile.TemporaryDirectory() as folder:

        async def body() -> list[bytes]:
            partition = Partition(Path(folder) / "db")
            try:
                return await test(partition)
            finally:
                await partition.close()

        return asyncio.run(body())


def answers(limit: int, steps: list[Any]) -> list[bytes]:
    """Bodies that the one tenant gets, whatever else happens in its partition."""

    async def test(partition: Partition) -> list[bytes]:
        search = Search(limit, embed=embed)
        bodies = []
        for number, step in enumerate(steps):
            # The same moment for a step, whether or not others come before it.
            partition.log.now = (1_772_000_000 + step[0]) * 1_000_000
            match step[1]:
                case ("say", tenant, memory_id, text, vector, given):
                    log = partition.log
                    log.say(text, memory_id=memory_id, vector=vector, given=given, tenant=tenant)
                case ("use", tenant, memory_id):
                    partition.log.access((memory_id, 2), tenant=tenant)
                case (_, tenant, asked):
                    partition.commit()
                    partition.log_time = partition.log.now
                    body = await search.find(partition, tenant, Question(**asked))
                    if tenant == OWN:
                        bodies.append(bytes(body))
            if number % 3 == 0:
                partition.commit()
        await search.stop()
        return bodies

    return run(test)


@pytest.mark.deep
@settings(max_examples=40, deadline=None)
@given(
    own=steps_of(st.just(OWN), 12),
    others=steps_of(st.sampled_from(OTHERS), 25),
    seed=st.randoms(use_true_random=False),
)
def test_no_tenant_changes_a_byte_of_anothers_answers(
    own: list[Any], others: list[Any], seed: Any
) -> None:
    """Alone, or among tenants with its contents, ids and questions; whatever is kept of indexes."""
    asked = {"query": "kafka lag", "limit": 100, "explain": True}
    own = [*own, ("ask", OWN, asked)]
    numbered = list(enumerate(own))
    alone = answers(LIMITS[-1], numbered)
    mixed: list[Any] = []
    left = list(others)
    for step in numbered:
        while left and seed.random() < 0.6:
            mixed.append((step[0], left.pop()))
        mixed.append(step)
    for limit in LIMITS:
        assert answers(limit, mixed) == alone


# -- machines --------------------------------------------------------------------------------------

PROGRAM = """
import hashlib, random, sys
sys.path[:0] = ["tests"]
from runtime.test_search import LIMITS, OWN, answers
from streams.core.log import Vector

random.seed(7)
words = ["kafka", "lag", "gate", "eu-1", "weld", "seam", "rec-2024_07/part-0012", "Zürich"]
steps = []
for number in range(300):
    text = " ".join(random.choices(words, k=random.randrange(1, 9)))
    vector = Vector("m", 0.1, random.randbytes(3)) if number % 4 else None
    given = {"session": f"s{number % 7}", "agent": f"a{number % 3}"}
    steps.append((number, ("say", OWN, f"m{number % 250:03}", text, vector, given)))
    if number % 30 == 29:
        query = " ".join(random.choices(words, k=3))
        steps.append((number, ("ask", OWN, {"query": query, "limit": 100, "explain": True})))
for limit in (*LIMITS, 200_000):
    print(hashlib.sha256(b"".join(answers(limit, steps))).hexdigest())
"""


KERNELS = {"Prescott": "sse3", "Haswell": "avx2", "SkylakeX": "avx512f"}
"""OpenBLAS's, and what a processor must have for them; elsewhere they would end the process."""


@pytest.mark.deep
def test_every_machine_and_every_cache_gives_the_same_bytes() -> None:
    info = Path("/proc/cpuinfo")
    has = info.read_text().split() if info.exists() else []
    machines = [{"PYTHONHASHSEED": "0"}]
    machines += [
        {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        for (kernel, flag), threads in zip(KERNELS.items(), "212", strict=True)
        if flag in has or (flag == "sse3" and "pni" in has)
    ]
    told: set[str] = set()
    for machine in machines:
        env = (
            os.environ | machine | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
        )
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], cwd=ROOT, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        told.update(done.stdout.split())
    assert len(told) == 1
    assert len(told.pop()) == 64
