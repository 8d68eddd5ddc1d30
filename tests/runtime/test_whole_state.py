"""A state that moves to another changelog is the same one there, and knows what it has seen."""

from pathlib import Path

import pytest
from aiokafka.structs import TopicPartition
from msgspec import structs

from streams.runtime import clients, positions, topics, whole_state
from streams.runtime.digest import digest
from streams.runtime.positions import Source
from streams.runtime.recovery import open_local, replay_changelog
from streams.settings import Settings

from .stores import PARTITION, Stores, asking, chunk, counted, event, job, take_over


@pytest.fixture
async def elsewhere(installed: Settings) -> Settings:
    """Another installation: as a second cluster."""
    one = structs.replace(installed, topic_prefix=f"{installed.topic_prefix}b-", group="b")
    await topics.ensure(one)
    return one


async def test_state_fences_and_identities_move(
    stores: Stores, elsewhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_state, "TRANSACTION_BYTES", 64)
    monkeypatch.setattr(whole_state, "IDENTITIES", 3)
    one = await stores()
    await one.apply(chunk(0, [event(n) for n in range(10)]))
    to = job(elsewhere)
    source = Source(7, -1, "", one.log_time)
    producer = clients.transactional_producer(elsewhere.kafka, to.transactional_id(PARTITION))
    await producer.start()
    written = await whole_state.write_whole(producer, to, PARTITION, one.db, source)
    await producer.stop()
    assert written.identities == 10
    moved = await take_over(elsewhere, tmp_path / "moved")
    try:
        assert digest(moved.db.iter()) == digest(one.db.iter())
        assert (moved.source, counted(moved)) == (source, 10)
        assert written.end == moved.changelog_offset
        # Origins of before, and the same events sent again to the new cluster.
        await moved.apply(chunk(0, [event(n, f"other {n}") for n in range(10)]))
        await moved.apply(chunk(10, [event(100 + n, str(n)) for n in range(10)]))
        assert counted(moved) == 10
        await moved.apply(chunk(20, [event(200)]))
        assert counted(moved) == 11
    finally:
        await moved.close()


async def test_a_part_of_a_state_does_not_say_where_its_input_stands(
    stores: Stores, elsewhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await stores()
    await one.apply(chunk(0, [event(n) for n in range(10)]))
    monkeypatch.setattr(whole_state, "_packed", lambda db: 1 / 0)
    to = job(elsewhere)
    producer = clients.transactional_producer(elsewhere.kafka, to.transactional_id(PARTITION))
    await producer.start()
    with pytest.raises(ZeroDivisionError):
        await whole_state.write_whole(producer, to, PARTITION, one.db, Source(7, -1, "", 0))
    await producer.stop()
    db = open_local(tmp_path / "part")
    async with asking(elsewhere.kafka) as inquiry:
        await replay_changelog(inquiry, TopicPartition(to.changelog, PARTITION), db)
    assert len(list(db.keys())) > 1
    assert positions.read_source(db) is None
    db.close()
