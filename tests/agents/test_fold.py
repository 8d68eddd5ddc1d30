"""The table of folds is complete, and no admitted value stops a fold."""

from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from usage.memory_view import MemoryView
from usage.writer import Writer, refolded

from streams.agents.fold import FOLDS, ROWS, fold
from streams.core import held
from streams.core.log import (
    CORRECTABLE,
    Accessed,
    Body,
    BudgetDelete,
    BudgetSet,
    Call,
    Config,
    Content,
    Dataset,
    DatasetDeclared,
    JobDeclared,
    JobRun,
    MemoryConsolidate,
    MemorySplit,
    Message,
    QuotaGranted,
    Refusal,
    StateDelete,
    StateSet,
    TenantSet,
    Tick,
    Vector,
)
from streams.core.time import DAY, SECOND, parse_time
from streams.jobs.lineage import AT_ONCE as EDGES_AT_ONCE
from streams.memory import rows as memory
from streams.memory.pressure_ticks import AT_ONCE as PRUNED_AT_ONCE
from streams.memory.state import AT_ONCE as EXPIRED_AT_ONCE
from streams.memory.working import AT_ONCE as MOVED_AT_ONCE

NOW = parse_time("2026-03-02T12:00:00Z")
tokens = st.integers(0, 2**53)
nano = st.none() | st.integers(0, 10**18)
text = st.text(st.characters(codec="utf-8"), max_size=20)
calls = st.builds(Call, text, text, tokens, tokens, tokens, tokens, nano, nano, text)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), floats, text)
ids = st.sampled_from(("a", "b", "c:1"))
contents = st.builds(
    Content,
    text=text,
    priority=st.integers(1, 4),
    context_tags=st.lists(text, max_size=2).map(tuple),
    ttl_seconds=st.none() | st.integers(1, 31_557_600_000),
    cluster_state=st.none() | st.dictionaries(text, scalars, max_size=2),
    pipeline_context=st.none() | st.lists(text, max_size=2).map(tuple),
    related_memories=st.lists(ids, max_size=2).map(tuple),
    subject=st.none() | text,
    memory_id=st.none() | ids,
    metadata=st.none() | st.dictionaries(text, scalars, max_size=2),
    given=st.lists(st.sampled_from(CORRECTABLE), unique=True).map(tuple),
    vector=st.none() | st.builds(Vector, text, st.floats(0, 1), st.binary(max_size=9)),
)
messages = st.builds(Message, text, text, text, text, calls, st.none() | contents)
budget_sets = st.builds(
    BudgetSet,
    text,
    st.integers(0, 10**18),
    st.sampled_from(("hour", "day", "week", "month")),
    st.sampled_from(("UTC", "Asia/Kolkata", "Pacific/Apia")),
    st.lists(st.integers(1, 1_000), min_size=1, max_size=10).map(tuple),
    st.booleans(),
    st.dictionaries(st.sampled_from(("provider", "model", "agent", "job")), text),
)
some = st.sampled_from("ab")
facets = st.dictionaries(some, st.sampled_from((b"1", b"{}")), max_size=2)
datasets = st.lists(st.builds(Dataset, some, text, facets), max_size=3).map(tuple)
runs = st.builds(
    JobRun,
    some,
    text,
    text,
    st.sampled_from((None, "START", "RUNNING", "COMPLETE", "FAIL")),
    parent_run_id=st.none() | some,
    call=st.none() | calls,
    inputs=datasets,
    outputs=datasets,
    run_facets=facets,
)
bodies = st.one_of(
    runs,
    st.builds(JobDeclared, some, some, facets, datasets, datasets),
    st.builds(DatasetDeclared, st.builds(Dataset, some, text, facets)),
    messages,
    messages,
    budget_sets,
    st.builds(BudgetDelete, text),
    st.builds(TenantSet, st.sampled_from(("UTC", "Asia/Kathmandu", "America/St_Johns"))),
    st.builds(Refusal, text),
    st.builds(Config, st.just(24), st.integers(1, 10_000), st.integers(0, 10**18), st.just("")),
    st.just(Tick()),
    st.builds(
        Accessed,
        st.lists(st.tuples(ids, st.integers(1, 2**31)), max_size=3).map(tuple),
    ),
    st.builds(
        StateSet,
        text,
        text,
        st.binary(max_size=9),
        st.none() | st.integers(0, 2**53),
        st.none() | st.integers(1, 31_557_600_000),
    ),
    st.builds(StateDelete, text, text, st.none() | st.integers(1, 2**53)),
    st.builds(MemoryConsolidate, st.none() | st.integers(1, 24 * 366 * 100)),
    st.builds(MemorySplit, ids),
)
times = st.one_of(st.integers(0, NOW + DAY), st.integers(NOW - DAY, NOW + DAY))


def test_every_body_has_its_fold() -> None:
    assert set(FOLDS) == set(get_args(Body))


def test_no_two_kinds_of_rows_share_a_key() -> None:
    assert len({row.kind for row in ROWS}) == len(ROWS)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(bodies, times, st.integers(0, 3 * DAY)), max_size=25))
def test_no_admitted_value_stops_a_fold(steps: list[tuple[Body, int, int]]) -> None:
    log = Writer(MemoryView(stored=True))
    for body, time, passed in steps:
        log.now += passed
        log.append(body, time=min(time, log.now + DAY // 24))
    kinds = {row.kind for row in ROWS}
    assert {key[:2] for key in log.view.rows} <= kinds
    again = MemoryView()
    assert refolded(again, log.entries) == log.outputs
    assert again.encoded() == log.view.encoded()


def test_a_message_without_a_call_counts_nothing() -> None:
    log = Writer()
    content = Content("hello", 2, (), None, None, None, (), None, None, None)
    [record] = log.append(Message("a", "s", "", "", None, content))
    assert record.topic == "memory.records.v1"
    assert {key[:2] for key in log.view.rows} <= {row.kind for row in (*memory.ROWS, *held.ROWS)}


def test_a_refusal_without_an_origin_is_passed_over() -> None:
    log = Writer()
    log.refuse("schema")
    [entry] = log.entries
    lone = structs.replace(entry, record=structs.replace(entry.record, origin=None))
    view = MemoryView()
    assert fold(view, lone) == []
    assert not view.rows


def test_a_tick_with_all_of_its_work_changes_at_most_a_thousand_rows() -> None:
    log = Writer(MemoryView(stored=True))
    log.append(Config(24, 24, 10**11, "", 48, 3600, 100))
    for number in range(2 * EXPIRED_AT_ONCE):
        log.append(StateSet(f"a{number}", "k", b"1", None, 5))
    content = Content("hi", 2, (), None, None, None, (), None, None, None, ("agent",))
    for number in range(3 * MOVED_AT_ONCE):
        said = structs.replace(content, memory_id=str(number), vector=Vector("m", 0.1, b"\x01"))
        log.append(Message(f"a{number % 50}", "", "", "", None, said))
    for number in range(2 * PRUNED_AT_ONCE):
        said = structs.replace(content, memory_id=str(number), vector=Vector("m", 0.1, b"\x01"))
        log.append(Message(f"a{number}", "", "", "", None, said), tenant="full")
    log.now += 60 * SECOND
    log.append(Config(24, 24, 10**11, "", 48, 3600, 0))
    many = tuple(Dataset("s3", f"d{number}") for number in range(3 * EDGES_AT_ONCE))
    log.append(JobRun("r", "ns", "load", "COMPLETE", inputs=many))
    log.now += SECOND
    log.append(QuotaGranted(0, "standard"), tenant="full")
    before = log.view.encoded()
    log.append(Tick())
    now = log.view.encoded()
    changed = sum(now.get(key) != before.get(key) for key in {*now, *before})
    # What each kind of work does of it: expiry, moved memories, pruned ones, edges.
    pruned = sum(output.type == "memory.pruned" for output in log.outputs)
    # As many as the others leave rows for.
    assert 0 < pruned < PRUNED_AT_ONCE
    least = 3 * EXPIRED_AT_ONCE + 2 * MOVED_AT_ONCE + 5 * pruned + EDGES_AT_ONCE
    assert least <= changed <= 1_000
