"""`streams topics adopt`: a topic was made anew on purpose and is to be read from its start.

The new incarnation is announced on streams.owners.v1; workers whose partitions are red for it take
over again. Origins carry the incarnation, so offsets of the old topic and the new never compare.
"""

from aiokafka.structs import TopicPartition

from streams import topology
from streams.core.errors import Misuse
from streams.runtime import clients
from streams.runtime.object_store import open_bin
from streams.runtime.ownership import Incarnation, Ownership, announce_incarnation
from streams.runtime.snapshots import list_snapshots
from streams.runtime.topic_ids import topic_id
from streams.settings import Settings

ADOPTABLE = (*topology.INPUTS, topology.TENANT_LOG, topology.TENANT_CONTROL)
"""Besides the changelogs, whose names have the group in them."""


async def adopt(settings: Settings, topic: str) -> list[str]:
    """Announce the next incarnation of a topic.

    Parameters
    ----------
    topic : str
        Short or full name of an input topic, of a log that is folded, or of its changelog.

    Returns
    -------
    list of str
        What was done, a line each.

    Raises
    ------
    Misuse
        Not a topic that is read by position.
    """
    changelogs = {
        topology.changelog(settings, log): log
        for log in (topology.TENANT_LOG, topology.TENANT_CONTROL)
    }
    # A group's name may begin as the topics' do.
    short = topic if topic in changelogs else topic.removeprefix(settings.topic_prefix)
    if short not in (*ADOPTABLE, *changelogs):
        raise Misuse(f"{topic} can't be adopted; these can: {', '.join((*ADOPTABLE, *changelogs))}")
    full = topology.name(settings, short)
    ownership = Ownership(settings)
    await ownership.look()
    incarnation = ownership.incarnations.get(full, 0) + 1
    starts: tuple[int, ...] = ()
    if short in changelogs:
        log = topology.name(settings, changelogs[short])
        incarnation = max(incarnation, await _of_snapshots(settings, log) + 1)
        starts = await _ends(settings, full)
    producer = clients.plain_producer(settings.kafka)
    await producer.start()
    try:
        async with clients.admin(settings.kafka) as admin:
            now = Incarnation(full, incarnation, await topic_id(admin, full), starts)
        await announce_incarnation(producer, settings, now)
    finally:
        await producer.stop()
    if starts:
        return [f"{full}: incarnation {incarnation} begins with the newest states that are left"]
    return [f"{full}: incarnation {incarnation} begins with what the topic holds now"]


async def _of_snapshots(settings: Settings, log: str) -> int:
    """Return the newest incarnation of a log's changelog that snapshots are of."""
    listed = await list_snapshots(open_bin(settings))
    mine = (one for one in listed if (one.place.group, one.place.topic) == (settings.group, log))
    return max((one.position.incarnation for one in mine), default=0)


async def _ends(settings: Settings, full: str) -> tuple[int, ...]:
    """Return where each partition ends; what is below is not read any more."""
    inquiry = clients.Inquiry(settings.kafka)
    await inquiry.start()
    try:
        count = await inquiry.partitions(full)
        return tuple([await inquiry.end(TopicPartition(full, p)) for p in range(count)])
    finally:
        await inquiry.stop()
