"""Ids: Kafka's own partitioner as the oracle, and no two events with one hash by construction."""

from uuid import uuid5

from aiokafka.partitioner import murmur2 as kafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from streams.core.ids import NS, derived_id, event_hash, murmur2


@given(st.binary(max_size=64))
def test_murmur2_is_kafkas(data: bytes) -> None:
    assert murmur2(data) == kafka_murmur2(data) & 0xFFFFFFFF


@given(st.tuples(st.text(), st.text(), st.text()), st.tuples(st.text(), st.text(), st.text()))
def test_parts_never_run_into_each_other(a: tuple[str, str, str], b: tuple[str, str, str]) -> None:
    assert (event_hash(*a) == event_hash(*b)) == (a == b)


def test_a_shifted_boundary_is_another_event() -> None:
    assert (
        len({event_hash("a", "b", "c"), event_hash("ab", "", "c"), event_hash("a", "bc", "")}) == 3
    )


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_derived_ids_are_those_of_the_standard(parts: list[str]) -> None:
    assert derived_id(*parts) == str(uuid5(NS, "\n".join(parts)))
