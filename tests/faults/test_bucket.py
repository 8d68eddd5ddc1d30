"""Litter must be collected and what is kept must stay; damage befalls a run's own objects only."""

import random
import time
from datetime import timedelta

import pytest
from moto.s3.models import s3_backends

from streams.adapters.s3 import Bucket
from streams.core.time import HOUR
from streams.runtime.collecting import collect
from streams.snapshots.manifest import encode
from tests.faults.bucket import KEEP, ROT, RunBucket
from tests.snapshots.manifests import file, manifest


@pytest.fixture
def own(bucket: Bucket) -> RunBucket:
    def backdate(name_of: str, name: str, seconds: float) -> None:
        for account in s3_backends.values():
            if name_of in account["aws"].buckets:
                account["aws"].buckets[name_of].keys[name].last_modified -= timedelta(
                    seconds=seconds
                )

    return RunBucket(bucket.endpoint, f"{bucket.name}-own", backdate)


def names(own: RunBucket) -> list[str]:
    return [found.name for found in own.bin.store.list("")]


async def test_collectors_take_the_litter_and_nothing_else(own: RunBucket) -> None:
    own.litter()
    own.litter()
    (nothing,) = await own.check()
    assert "nothing was collected" in str(nothing)
    done = await collect(own.bin, keep=KEEP, keep_for=2 * HOUR, now=lambda: time.time_ns() // 1000)
    assert (len(done.manifests), done.objects) == (2, 4)
    assert len(names(own)) == 2 * KEEP
    assert await own.check() == []
    own.bin.store.delete(names(own)[:1])
    (gone,) = await own.check()
    assert "collected although kept" in str(gone)


async def test_a_snapshot_without_its_object_is_wrong(own: RunBucket) -> None:
    about = manifest(files=(file("a" * 64),))
    own.bin.store.put(own.bin.layout.manifest(about.place, about.position), encode(about))
    (wrong,) = await own.check()
    assert "which is gone" in str(wrong)


@pytest.mark.parametrize("kind", ROT)
async def test_rot_befalls_what_a_snapshot_needs(kind: str, own: RunBucket) -> None:
    draw = random.Random(1)
    assert await own.rot(kind, 1.0, draw) == 0, "there is nothing yet"
    about = manifest(files=(file("a" * 64),))
    stored = {
        own.bin.layout.manifest(about.place, about.position): encode(about),
        own.bin.layout.object("a" * 64): b"table",
    }
    for name, data in stored.items():
        own.bin.store.put(name, data)
    own.deletions_wanted = True
    assert await own._own() == [own.bin.layout.object("a" * 64)]
    own.deletions_wanted = False
    assert await own.rot(kind, 1.0, draw) == own.damaged == 2
    left = {name: own.bin.store.get(name) for name in names(own)}
    assert not left.items() & stored.items()
    assert len(left) == (0 if kind == "lost" else 2)
