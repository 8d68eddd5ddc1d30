"""Search against the naive model: whatever was added, replaced and removed, in whatever order."""

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory import naive
from streams.memory import index as index_module
from streams.memory import postings
from streams.memory.document import Document
from streams.memory.index import TenantIndex
from streams.memory.ranking import DEFAULT, Filters, Weights, search

DAY = 86_400_000_000
NOW = 40 * DAY

words = st.sampled_from(
    [
        "kafka",
        "lag",
        "rec-2024_07/part-0012",
        "the",
        "failed",
        "failing",
        "went",
        "go",
        "eu-1",
        "may",
        "1970",
        "ÄRGER",
        "記憶",
        "argo_workflow",
        "on",
    ]
)
text = st.lists(words, max_size=8).map(" ".join)
names = st.none() | st.sampled_from(["eu-1", "b"])
vectors = st.binary(min_size=3, max_size=3)
times = st.integers(0, 40).map(lambda day: day * DAY)
ids = st.sampled_from([f"m{n}" for n in range(12)])
pairs = st.lists(st.tuples(st.sampled_from(["k", "kk"]), st.sampled_from(["1", '"1"'])), max_size=2)

documents = st.builds(
    Document,
    id=ids,
    content=text,
    timestamp=times,
    place=st.integers(0, 2),
    priority=st.integers(1, 4),
    tier=st.integers(0, 1),
    agent=names,
    session=names,
    context_tags=st.lists(words, max_size=2).map(tuple),
    cluster=names,
    pipelines=st.lists(words, max_size=2).map(tuple),
    cost_attribution=names,
    subject=names,
    metadata=pairs.map(lambda each: tuple(dict(each).items())),
    related=st.lists(ids, max_size=2).map(tuple),
    linked=st.lists(ids, max_size=2).map(tuple),
    uses=st.integers(0, 9),
    used_at=times,
    model=st.sampled_from([None, "one", "two"]),
    vector=st.none() | vectors | st.just(b"\x01\x02"),
)
facts = st.lists(
    st.tuples(st.just("put"), documents)
    | st.tuples(st.just("remove"), ids)
    | st.tuples(st.just("used"), st.tuples(ids, st.integers(0, 9), times))
    | st.tuples(st.just("moved"), st.tuples(ids, st.integers(0, 1)))
    | st.tuples(st.just("linked"), st.tuples(ids, st.lists(ids, max_size=2).map(tuple))),
    max_size=40,
)
filters = st.builds(
    Filters,
    min_priority=st.sampled_from([1, 1, 2, 4]),
    context_tags=st.just(()) | st.lists(words, max_size=1).map(tuple),
    agent=st.none() | names,
    session=st.none() | names,
    cluster=st.none() | names,
    pipeline=st.none() | words,
    cost_attribution=st.none() | names,
    subject=st.none() | names,
    metadata=st.just(()) | pairs.map(tuple),
    since=st.none() | times,
    until=st.none() | times,
    tiers=st.sampled_from([(0, 1), (0, 1), (1,), (0,)]),
)


def grown(facts: list) -> tuple[TenantIndex, list[Document]]:
    """An index that was told one fact after the other, and the memories there are at the end."""
    index, there = TenantIndex(), {}
    for kind, fact in facts:
        if kind == "put":
            index.put(fact)
            there[fact.id] = fact
        elif kind == "remove":
            assert index.remove(fact) == (there.pop(fact, None) is not None)
        elif kind == "used":
            index.used(*fact)
            if fact[0] in there:
                there[fact[0]] = _but(there[fact[0]], uses=fact[1], used_at=fact[2])
        elif kind == "linked":
            if fact[0] in there:
                there[fact[0]] = _but(there[fact[0]], linked=fact[1])
                index.update(there[fact[0]])
        else:
            index.moved(*fact)
            if fact[0] in there:
                there[fact[0]] = _but(there[fact[0]], tier=fact[1])
    return index, list(there.values())


def _but(document: Document, **changed: object) -> Document:
    values = {name: getattr(document, name) for name in document.__struct_fields__}
    return Document(**(values | changed))


@settings(max_examples=120, deadline=None)
@given(
    facts=facts,
    query=text,
    wanted=filters,
    limit=st.integers(1, 15),
    vector=st.none() | vectors,
    model=st.sampled_from(["one", "two", "none"]),
    spare=st.sampled_from([0, 3, 64]),
    weights=st.sampled_from([DEFAULT, Weights(lexical_best=1, neighbours=(200, 100))]),
)
def test_any_history_ranks_as_the_naive_model(
    facts, query, wanted, limit, vector, model, spare, weights
):
    with (
        patch.object(index_module, "_DEAD_BEFORE_COMPACTION", spare),
        patch.object(postings, "_NEW", 1 + spare * 10),
    ):
        index, there = grown(facts)
    rebuilt = TenantIndex.of(reversed(there))
    expected = naive.search(there, query, wanted, limit, NOW, vector, model, weights)
    for each in (index, rebuilt):
        found = search(each, query, wanted, limit, NOW, vector=vector, model=model, weights=weights)
        assert [(f.id, f.score, f.parts) for f in found] == expected
    assert len(index) == len(there)


@settings(max_examples=50, deadline=None)
@given(facts=facts, query=text, wanted=filters, limit=st.integers(1, 15))
def test_limit_is_filled_whenever_so_many_pass_and_parts_sum_to_the_score(
    facts, query, wanted, limit
):
    index, there = grown(facts)
    found = search(index, query, wanted, limit, NOW)
    assert len(found) == min(limit, sum(naive.passes(d, wanted) for d in there))
    assert all(sum(f.parts.values()) == f.score for f in found)


def note(memory_id: str, content: str = "nothing", **others: object) -> Document:
    return Document(id=memory_id, content=content, timestamp=0, **others)


def found_by(query: str, *notes: Document, **asked: object) -> list[str]:
    return [f.id for f in search(TenantIndex.of(notes), query, Filters(), 10, NOW, **asked)]


def test_what_is_linked_takes_one_place():
    notes = [
        note("a", "the lag is high", linked=("b",)),
        note("b", "high is the lag, so it is", linked=("a", "c")),
        note("c", "lag", linked=("b",)),
        note("d", "something else with lag"),
        note("e"),
    ]
    index = TenantIndex.of(notes)
    found = search(index, "high lag", Filters(), 5, NOW)
    # The third one is linked with the second one alone, which has no place of its own.
    assert [each.id for each in found] == ["a", "c", "d", "e", "b"]
    assert [each.parts["linked"] < 0 for each in found] == [False, False, False, False, True]
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    best = [search(index, "high lag", Filters(), limit, NOW) for limit in (1, 2, 4)]
    assert [[each.id for each in few] for few in best] == [["a"], ["a", "c"], ["a", "c", "d", "e"]]
    index.remove("a")
    assert search(index, "high lag", Filters(), 1, NOW)[0].id == "b"


def test_what_does_not_pass_the_filters_takes_no_place():
    notes = [
        note("a", "the lag is high", linked=("b",), agent="x"),
        note("b", "high is the lag", linked=("a",), agent="y"),
    ]
    found = search(TenantIndex.of(notes), "lag", Filters(agent="y"), 5, NOW)
    assert [(each.id, each.parts["linked"]) for each in found] == [("b", 0)]


def test_many_that_say_the_same_leave_places_to_others():
    same = [f"s{number:03}" for number in range(100)]
    notes = [note(each, "the lag is high", linked=tuple(set(same) - {each})) for each in same]
    notes += [note(f"o{number}", "something else") for number in range(3)]
    found = search(TenantIndex.of(notes), "high lag", Filters(), 6, NOW)
    assert [each.id for each in found] == ["s000", "o0", "o1", "o2", "s001", "s002"]


def test_an_empty_index_finds_nothing():
    assert found_by("anything") == []


def test_equal_memories_are_ordered_by_id():
    assert found_by("lag", *(note(i, "lag") for i in "cab")) == ["a", "b", "c"]


def test_an_identifier_is_found_whole_and_by_a_part():
    notes = [note("a", "wrote rec-2024_07/part-0012"), note("b", "wrote rec-2024_08/part-0099")]
    assert found_by("rec-2024_07/part-0012", *notes)[0] == "a"
    assert found_by("part-0099", *notes)[0] == "b"


def test_vectors_of_another_model_or_length_are_never_compared():
    notes = [
        note("far", model="m", vector=b"\x81\x01"),
        note("near", model="m", vector=b"\x7f\x01"),
        note("other", model="n", vector=b"\x7f\x01"),
        note("longer", model="m", vector=b"\x7f\x01\x00"),
    ]
    found = search(
        TenantIndex.of(notes), "question", Filters(), 4, NOW, vector=b"\x7f\x00", model="m"
    )
    dense = {f.id: f.parts["dense"] for f in found}
    assert dense["near"] > 0 > dense["far"]
    assert dense["other"] == dense["longer"] == 0


@pytest.mark.parametrize(
    ("question", "carries"),
    [
        ("argo_workflow", {"context_tags": ("argo_workflow",)}),
        ("in eu-1", {"cluster": "eu-1"}),
        ("of the ingest", {"pipelines": ("ingest",)}),
        ("for project-a", {"cost_attribution": "project-a"}),
        ("by quality-1", {"agent": "quality-1"}),
        ("", {"priority": 4}),
        ("", {"uses": 9, "used_at": NOW}),
    ],
)
def test_what_a_memory_carries_speaks_for_it(question, carries):
    assert found_by(question, note("a"), note("b", **carries), note("c"))[0] == "b"


def test_a_related_memory_and_a_neighbour_come_before_others():
    notes = [note("hit", "kafka lag", related=("z",)), note("b"), note("z"), note("c")]
    assert found_by("kafka", *notes)[:2] == ["hit", "z"]
    notes = [
        note("hit", "kafka lag", session="s", place=1),
        note("z", session="s", place=2),
        note("b", session="t"),
    ]
    assert found_by("kafka", *notes)[:2] == ["hit", "z"]


def test_a_question_may_name_the_day():
    notes = [
        Document(id="a", content="met Ann", timestamp=150 * DAY),
        Document(id="b", content="met Ann", timestamp=155 * DAY),
    ]
    assert found_by("met Ann in May", *notes)[0] == "a"
    assert found_by("met Ann on 1970-05-31", *notes)[0] == "a"
