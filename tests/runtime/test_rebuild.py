"""A changelog alone gives the state that its owner has, dead transactions left out."""

import shutil
from pathlib import Path

import msgspec

from streams.runtime import topics
from streams.runtime.digest import digest
from streams.runtime.rebuild import rebuild
from streams.runtime.view import open_database
from streams.settings import Settings

from .stores import PARTITION, asking, chunk, event, job, take_over


async def rebuilt_digest(settings: Settings, folder: Path) -> str:
    db = open_database(folder / "rebuilt")
    try:
        async with asking(settings.kafka) as inquiry:
            await rebuild(inquiry, job(settings), PARTITION, db)
        return digest(db.iter()).hex
    finally:
        db.close()
        shutil.rmtree(folder / "rebuilt")


async def test_the_digests_are_the_same(settings: Settings, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(settings, partitions=1)
    await topics.ensure(settings)
    nothing = await rebuilt_digest(settings, tmp_path)
    one = await take_over(settings, tmp_path / "state")
    assert digest(one.db.iter()).hex == nothing
    await one.apply(chunk(0, [event(n) for n in range(10)]))
    before = digest(one.db.iter()).hex
    assert await rebuilt_digest(settings, tmp_path) == before != nothing
    # What a dead owner had begun does not count.
    await one._producer.begin_transaction()
    await one._producer.send_and_wait(one.job.changelog, b"x", b"n/t1\x00", PARTITION)
    await one.close()
    one = await take_over(settings, tmp_path / "state")
    try:
        assert digest(one.db.iter()).hex == before
        assert await rebuilt_digest(settings, tmp_path) == before
    finally:
        await one.close()
