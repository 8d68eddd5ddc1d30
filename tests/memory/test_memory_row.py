"""Memories of earlier schemas: golden bytes, and the chain in one step or in several."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from memory.memory_log import MemoryLog
from streams.core.rows import Row, decode_row, encode_row, newest_form, version_of
from streams.core.schema import SCHEMAS
from streams.memory.memory_row import (
    MemoryRow,
    MemoryRow100,
    MemoryRow110,
    MemoryRow200,
    with_clusters,
    with_cost,
    with_deletion,
)
from streams.memory.record import measured

GOLDEN: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "golden" / "memory_rows.json").read_bytes()
)
SHAPES: tuple[type[Row], ...] = (MemoryRow100, MemoryRow110, MemoryRow200, MemoryRow)
TEXT = st.text(max_size=8)
COUNT = st.integers(0, 1 << 62)
OLDEST = st.builds(
    MemoryRow100,
    text=TEXT,
    timestamp=COUNT,
    place=COUNT,
    agent=TEXT,
    session=TEXT,
    priority=st.integers(1, 4),
    context_tags=st.lists(TEXT, max_size=3).map(tuple),
    related_memories=st.lists(TEXT, max_size=3).map(tuple),
    metadata=st.none() | st.binary(max_size=8),
    # Past 64 bits: the row is kept as JSON.
    use=st.integers(0, 1 << 70),
    working=st.booleans(),
    revision=COUNT,
    access_count=COUNT,
    last_accessed=st.none() | COUNT,
    embedding_model=st.none() | TEXT,
    vector_bytes=COUNT,
    size=COUNT,
    consolidated=st.booleans(),
    sources=st.lists(TEXT, max_size=3).map(tuple),
    consolidated_into=st.none() | TEXT,
)


def test_there_is_a_golden_memory_of_each_schema_and_a_shape_for_it() -> None:
    assert tuple(GOLDEN) == SCHEMAS
    assert [shape.version for shape in SHAPES] == [1, 2, 3, 4]
    for older, newer in pairwise(SHAPES):
        assert newer.step is not None
        assert newer.step.older is older


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_a_schema_wrote_is_shown_as_it_was(schema: str) -> None:
    for memory in GOLDEN[schema]:
        value = bytes.fromhex(memory["row"])
        assert SCHEMAS[version_of(value) - 1] == schema
        record = measured("t1", memory["id"], decode_row(MemoryRow, value))[0]
        assert json.loads(record) == memory["record"]


def test_a_row_of_today_keeps_its_bytes() -> None:
    for memory in GOLDEN[SCHEMAS[-1]]:
        value = bytes.fromhex(memory["row"])
        assert encode_row(decode_row(MemoryRow, value)) == value


@given(OLDEST)
def test_steps_one_by_one_are_all_at_once(oldest: MemoryRow100) -> None:
    between: list[Row] = [oldest, with_cost(oldest), with_deletion(with_cost(oldest))]
    newest = with_clusters(between[2])  # type: ignore[arg-type]
    assert isinstance(newest, MemoryRow)
    for row in [*between, newest]:
        stored = encode_row(row)
        assert version_of(stored) == type(row).version
        assert decode_row(MemoryRow, stored) == newest
        assert newest_form(MemoryRow, stored) == encode_row(newest)


@given(OLDEST)
def test_nothing_is_lost_and_what_is_new_is_absent(oldest: MemoryRow100) -> None:
    now = structs.asdict(decode_row(MemoryRow, encode_row(oldest)))
    absent = {
        "cost_attribution": "",
        "ttl_seconds": None,
        "subject": None,
        "cluster_state": None,
        "pipeline_context": None,
    }
    assert now == structs.asdict(oldest) | absent


# -- folds over rows of several versions -----------------------------------------------------------


def lowered(value: bytes, version: int) -> bytes:
    """A memory's row as an older schema would have written it, if that could say it."""
    row = decode_row(MemoryRow, value)
    for shape in SHAPES[version - 1 :]:
        old = shape(**{n: getattr(row, n) for n in shape.__struct_fields__})
        if decode_row(MemoryRow, encode_row(old)) == row:
            return encode_row(old)
    raise AssertionError("the newest can say everything")


SAID = st.tuples(
    st.sampled_from(["m1", "m2", "m3", "m4"]),
    st.fixed_dictionaries(
        {},
        optional={
            "agent": st.sampled_from(["a", "b"]),
            "priority": st.sampled_from(["LOW", "CRITICAL"]),
            "cost_attribution": st.just("p"),
            "ttl_seconds": st.integers(1, 9_000),
            "subject": st.just("who"),
            "cluster_state": st.just({"cluster": "eu-1"}),
            "pipeline_context": st.just(("train",)),
        },
    ),
)
STEPS = st.lists(
    st.tuples(st.just("say"), SAID)
    | st.tuples(st.just("access"), st.sampled_from(["m1", "m2", "gone"]))
    | st.tuples(st.just("wait"), st.integers(0, 9_000))
    | st.tuples(st.just("limit"), st.integers(1, 3))
    | st.tuples(st.just("lower"), st.integers(1, 4)),
    max_size=25,
)


@given(STEPS)
def test_rows_of_mixed_versions_fold_to_what_all_newest_do(steps: list[Any]) -> None:
    mixed, newest = MemoryLog(), MemoryLog()
    for what, how in steps:
        if what == "lower":
            for key, value in mixed.view.encoded().items():
                if key.startswith(MemoryRow.kind):
                    mixed.view.rows[key] = lowered(value, how)
            continue
        for log in (mixed, newest):
            match what:
                case "say":
                    log.say(memory_id=how[0], given=dict(how[1]))
                case "access":
                    log.access((how, 1))
                case "wait":
                    log.wait(how, ticks=1)
                case "limit":
                    log.limit(how)
    assert mixed.outputs == newest.outputs
    forms = {
        key: newest_form(MemoryRow, value) if key.startswith(MemoryRow.kind) else value
        for key, value in mixed.view.encoded().items()
    }
    assert forms == newest.view.encoded()
    assert mixed.records() == newest.records()
