"""`streams topics adopt`: a topic was made anew on purpose and is to be read from its start.

The new incarnation is announced on streams.owners.v1; workers whose partitions are red for it take
over again. Origins carry the incarnation, so offsets of the old topic and the new never compare.
"""

import msgspec
from aiokafka.structs import TopicPartition

from streams import topology
from streams.core.errors import Misuse
from streams.runtime import clients
from streams.runtime.ownership import Incarnation, announce_incarnation, incarnation_key
from streams.runtime.topic_ids import topic_id
from streams.settings import Settings

ADOPTABLE = (*topology.INPUTS, topology.TENANT_LOG, topology.TENANT_CONTROL)


async def adopt(settings: Settings, topic: str) -> list[str]:
    """Announce the next incarnation of a topic.

    Parameters
    ----------
    topic : str
        Short or full name of an input topic or of the tenant log.

    Returns
    -------
    list of str
        What was done, a line each.

    Raises
    ------
    Misuse
        Not a topic that is read by position.
    """
    short = topic.removeprefix(settings.topic_prefix)
    if short not in ADOPTABLE:
        raise Misuse(f"{topic} can't be adopted; these can: {', '.join(ADOPTABLE)}")
    full = topology.name(settings, short)
    incarnation = await _current(settings, full) + 1
    producer = clients.plain_producer(settings.kafka)
    await producer.start()
    try:
        async with clients.admin(settings.kafka) as admin:
            now = Incarnation(full, incarnation, await topic_id(admin, full))
        await announce_incarnation(producer, settings, now)
    finally:
        await producer.stop()
    return [f"{full}: incarnation {incarnation} begins with what the topic holds now"]


async def _current(settings: Settings, full: str) -> int:
    tp = TopicPartition(topology.name(settings, topology.OWNERS), 0)
    found = 0
    async with clients.reader(settings.kafka) as consumer:
        begin = (await consumer.beginning_offsets([tp]))[tp]
        end = (await consumer.end_offsets([tp]))[tp]
        async for records in clients.read_to(consumer, tp, begin, end):
            for record in records:
                if record.key == incarnation_key(full) and record.value is not None:
                    found = msgspec.json.decode(record.value, type=Incarnation).incarnation
    return found
