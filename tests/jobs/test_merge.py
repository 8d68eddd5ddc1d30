"""Any order and repetition of a run's events comes to one row, and to what a naive reading says."""

from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.log import Dataset, JobRun
from streams.jobs.merge import MAX_FACETS, merged_facets
from streams.jobs.rows import DATASET, JOB, RUN, EdgeRow, FacetsRow, RunRow, facets_key, pack

from .log import KINDS, NOON, Log, naive, naive_facets

name = st.sampled_from("abc")
facets = st.dictionaries(name, st.sampled_from((b"1", b"22", b"{}")), max_size=2)
datasets = st.lists(st.builds(Dataset, name, name, facets), max_size=3).map(tuple)
run_events = st.builds(
    JobRun,
    st.just("r"),
    st.just("ns"),
    st.just("job"),
    st.sampled_from((None, "START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")),
    kind=st.sampled_from((None, "batch", "stream")),
    cluster=st.none() | name,
    parent_run_id=st.none() | name,
    inputs=datasets,
    outputs=datasets,
    run_facets=facets,
    job_facets=facets,
)
# Few times, so that many are equal.
histories = st.lists(st.tuples(run_events, st.integers(NOON - 3, NOON)), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(histories, st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(
    events: list[tuple[JobRun, int]], random: Random
) -> None:
    first, other = Log(), Log()
    for event, time in events:
        first.append(event, time)
    again = events + random.choices(events, k=len(events))
    random.shuffle(again)
    for event, time in again:
        other.append(event, time)
    # Usage is left out: the period in which a run is counted is that of its first arrival.
    rows, others = (
        {key: row for key, row in log.view.encoded().items() if key[:2] in KINDS - {RunRow.kind}}
        for log in (first, other)
    )
    assert rows == others
    [run], [other_run] = (
        [msgspec.structs.replace(row, counted=b"") for _, row in log.view.scan(RunRow, b"J/")]
        for log in (first, other)
    )
    assert run == other_run
    assert first.runs() == [naive(events)]


@settings(max_examples=40, deadline=None)
@given(histories)
def test_facets_are_the_latest(events: list[tuple[JobRun, int]]) -> None:
    log = Log()
    for event, time in events:
        log.append(event, time)
    for code, field in ((RUN, "run_facets"), (JOB, "job_facets")):
        row = log.view.get(FacetsRow, facets_key("t1", pack("r"), code))
        assert (row.facets if row else {}) == naive_facets(events, field)
    assert log.view.get(FacetsRow, facets_key("t1", pack("r"), DATASET)) is None
    edges = [row.facets for _, row in log.view.scan(EdgeRow, EdgeRow.kind)]
    assert len(edges) == len(log.runs()[0]["inputs"]) + len(log.runs()[0]["outputs"])


def test_a_run_has_facets_up_to_a_bound() -> None:
    content = b"x" * (MAX_FACETS // 3)
    found = merged_facets({}, {"a": content, "b": content, "c": content}, 1)
    assert list(found) == ["a", "b"]
    assert merged_facets(found, {"a": content}, 1) is found
