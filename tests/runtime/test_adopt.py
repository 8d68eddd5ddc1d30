"""Adoption is announced to all workers: the next incarnation, with the topic's id of now."""

import pytest

from streams import topology
from streams.core.errors import Misuse
from streams.runtime import clients, topics
from streams.runtime.adopt import adopt
from streams.runtime.ownership import Incarnation, Ownership, announce_incarnation
from streams.runtime.topic_ids import topic_id
from streams.settings import Settings


async def test_each_adoption_begins_the_next_incarnation(settings: Settings) -> None:
    await topics.ensure(settings)
    name = topology.name(settings, topology.AGENT_MESSAGES)
    heard: list[int] = []
    ownership = Ownership(settings)
    await ownership.start()
    ownership.on_change.append(lambda: heard.append(ownership.incarnations[name]))
    try:
        # By its short name or its full one.
        for number, topic in enumerate((topology.AGENT_MESSAGES, name), start=1):
            (line,) = await adopt(settings, topic)
            assert f"{name}: incarnation {number}" in line
        later = Ownership(settings)
        await later.start()
        await later.stop()
        async with clients.admin(settings.kafka) as admin:
            found = await topic_id(admin, name)
        assert (later.incarnations, later.topic_ids) == ({name: 2}, {name: found})
        # A writer that remembers the topic for the first time can't undo an adoption.
        producer = clients.plain_producer(settings.kafka)
        await producer.start()
        await announce_incarnation(producer, settings, Incarnation(name, 0, "other"))
        await announce_incarnation(producer, settings, Incarnation(name, 3, "third"))
        await producer.stop()
        later = Ownership(settings)
        await later.start()
        await later.stop()
        assert (later.incarnations, later.topic_ids) == ({name: 3}, {name: "third"})
    finally:
        await ownership.stop()
    assert heard == sorted(heard)


@pytest.mark.parametrize("topic", ["budget.alerts.v1", "tenant.dedupe.v1", "nonsense"])
async def test_only_what_is_read_by_position(settings: Settings, topic: str) -> None:
    with pytest.raises(Misuse, match="can't be adopted"):
        await adopt(settings, topic)
