"""States move into a cluster that holds nothing; until all are there nobody folds."""

from pathlib import Path

import pytest
from aiokafka.structs import TopicPartition
from msgspec import structs

from streams import topology
from streams.adapters.object_folder import FolderStore
from streams.core import log
from streams.core.errors import Misuse
from streams.core.log import LogRestored
from streams.core.time import format_time
from streams.runtime import clients, topics
from streams.runtime.new_cluster import move_in
from streams.runtime.ownership import Ownership
from streams.runtime.replayed import Replayed, ReplayedPartition
from streams.runtime.snapshots import Bin
from streams.settings import Settings
from streams.snapshots.names import Place, Segment

from .snapshot_bins import LAYOUT
from .stores import PARTITION, Stores, asking, chunk, event


@pytest.fixture
def bucket(tmp_path: Path) -> Bin:
    return Bin(FolderStore(tmp_path / "bucket"), LAYOUT)


@pytest.fixture
async def elsewhere(installed: Settings) -> Settings:
    one = structs.replace(installed, topic_prefix=f"{installed.topic_prefix}b-", group="b")
    await topics.ensure(one)
    return one


async def known(settings: Settings) -> Ownership:
    ownership = Ownership(settings)
    await ownership.start()
    await ownership.stop()
    return ownership


async def a_state(stores: Stores, settings: Settings, folder: Path) -> Replayed:
    """One partition of the tenant log, its database closed in its folder."""
    one = await stores()
    await one.apply(chunk(0, [event(n) for n in range(10)]))
    source = one.source
    await one.close()
    topic = topology.name(settings, topology.TENANT_LOG)
    (folder / "state").rename(folder / f"{topic}-{PARTITION}")
    partition = ReplayedPartition(
        topic=topic,
        partition=PARTITION,
        log="tenant",
        incarnation=source.incarnation,
        offset=source.offset,
        log_time=format_time(source.log_time),
        begun_from="zero",
        records=10,
    )
    return Replayed(code_version="0.1", until=None, partitions=[partition])


@pytest.mark.parametrize("takes_over", [True, False])
async def test_all_begin_a_new_incarnation(
    stores: Stores, elsewhere: Settings, bucket: Bin, tmp_path: Path, takes_over: bool
) -> None:
    place = Place(elsewhere.group, topology.name(elsewhere, topology.TENANT_LOG), PARTITION)
    bucket.store.put_if_absent(LAYOUT.segment(Segment(place, 4, 0, 9)), b"")
    replayed = await a_state(stores, elsewhere, tmp_path)
    moved = await move_in(
        elsewhere, tmp_path, replayed, bucket, lambda line: None, takes_over=takes_over
    )
    assert (moved.incarnation, moved.identities, moved.memories) == (5, 10, 0)
    ownership = await known(elsewhere)
    assert not ownership.restoring
    assert set(ownership.incarnations.values()) == {5}
    assert topology.name(elsewhere, topology.AGENT_MESSAGES) in ownership.incarnations
    control = TopicPartition(topology.name(elsewhere, topology.TENANT_CONTROL), 0)
    async with clients.reader(elsewhere.kafka) as consumer:
        bodies = [
            log.decode(record.value).body
            async for records in clients.read_to(consumer, control, 0, 1)
            for record in records
        ]
    assert bodies == [LogRestored(5)]
    mark = LAYOUT.segment(Segment(place, 5, 0, 0))
    assert (mark in [each.name for each in bucket.store.list("")]) == takes_over
    with pytest.raises(Misuse, match="holds records already"):
        await move_in(elsewhere, tmp_path, replayed, bucket, lambda line: None)


async def test_whoever_dies_on_the_way_leaves_nobody_folding(
    stores: Stores,
    elsewhere: Settings,
    bucket: Bin,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replayed = await a_state(stores, elsewhere, tmp_path)

    def die(name: str) -> None:
        if name == "restore.written":
            raise KeyboardInterrupt

    monkeypatch.setattr("streams.runtime.new_cluster.reach", die)
    with pytest.raises(KeyboardInterrupt):
        await move_in(elsewhere, tmp_path, replayed, bucket, lambda line: None)
    assert (await known(elsewhere)).restoring
    async with asking(elsewhere.kafka) as inquiry:
        job_changelog = topology.name(elsewhere, topology.changelog(elsewhere))
        assert await inquiry.end(TopicPartition(job_changelog, PARTITION)) > 0
