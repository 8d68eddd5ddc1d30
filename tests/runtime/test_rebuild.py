"""A changelog alone gives the state that its owner has, dead transactions left out."""

from pathlib import Path

import msgspec

from streams import topology
from streams.runtime import topics
from streams.runtime.digest import digest
from streams.runtime.rebuild import rebuilt_digest
from streams.settings import Settings

from .stores import PARTITION, chunk, event, take_over


async def test_the_digests_are_the_same(settings: Settings, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(settings, partitions=1)
    await topics.ensure(settings)
    topic = topology.name(settings, topology.TENANT_LOG)
    nothing = await rebuilt_digest(settings, topic, PARTITION)
    one = await take_over(settings, tmp_path / "state")
    assert digest(one.db.iter()).hex == nothing
    await one.apply(chunk(0, [event(n) for n in range(10)]))
    before = digest(one.db.iter()).hex
    assert await rebuilt_digest(settings, topic, PARTITION) == before != nothing
    # What a dead owner had begun does not count.
    await one._producer.begin_transaction()
    await one._producer.send_and_wait(one.job.changelog, b"x", b"n/t1\x00", PARTITION)
    await one.close()
    one = await take_over(settings, tmp_path / "state")
    try:
        assert digest(one.db.iter()).hex == before
        assert await rebuilt_digest(settings, topic, PARTITION) == before
    finally:
        await one.close()
