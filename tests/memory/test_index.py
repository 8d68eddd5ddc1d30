"""What an index tells of itself: its bytes, and that it can be grown in pieces."""

import sys
import tracemalloc

import numpy as np
import pytest

from streams.memory.document import Document
from streams.memory.index import TenantIndex

VECTORS = np.random.default_rng(1).integers(-127, 128, (3_000, 384), dtype=np.int8)


def documents(count: int) -> list[Document]:
    return [
        Document(
            id=f"memory-{number:032}",
            content=f"partition {number % 8} of run-{number} lags behind by {number} records",
            timestamp=number,
            session=f"s{number // 30}",
            context_tags=("kafka_stream",),
            related=(f"memory-{number - 1:032}",),
            model="m",
            vector=VECTORS[number].tobytes(),
        )
        for number in range(count)
    ]


@pytest.mark.deep
def test_bytes_are_what_is_allocated():
    several = documents(3_000)
    TenantIndex.of(several)  # what is imported and compiled with the first is no index's
    tracemalloc.start()
    index = TenantIndex.of(several)
    allocated = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    # Ids are told though the documents share them here.
    shared = sum(sys.getsizeof(name) for each in several for name in (each.id, *each.related))
    assert index.nbytes - shared == pytest.approx(allocated, rel=0.06)
    assert index.nbytes / len(index) < 384 + 600


def test_bytes_fall_when_memories_go():
    several = documents(2_000)
    index = TenantIndex.of(several)
    full = index.nbytes
    for each in several[:1_900]:
        index.remove(each.id)
    assert index.nbytes < full / 4
    assert len(index) == 100
    assert several[1_950].id in index
    assert several[0].id not in index


def test_a_replaced_memory_takes_no_second_place():
    [document] = documents(1)
    index = TenantIndex()
    for _ in range(1_000):
        index.put(document)
    assert len(index) == 1
    assert len(index.ids) < 100
