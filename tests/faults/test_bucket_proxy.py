"""The proxy before a bucket: boto3 works through it, and meets each kind of bad day."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.adapters.s3 import Bucket, S3Store
from streams.core.errors import ObjectMissing, ObjectStoreError
from streams.runtime.processes import free_port
from tests.faults.bucket_proxy import KINDS, BadDay, BucketProxy

DATA = bytes(range(256)) * 40


@pytest.fixture
def day() -> BadDay:
    return BadDay(random.Random(1))


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """boto3 waits for seconds between attempts."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", _none)
    return iter(())


def _none(*_: object) -> float:
    return 0.0


async def through(bucket: Bucket, day: BadDay, what: object) -> object:
    """Let a function of a store, which blocks, use the bucket by way of a proxy."""
    port = free_port()
    async with BucketProxy(port, int(bucket.endpoint.rpartition(":")[2]), day) as proxy:
        store = S3Store(Bucket(name=bucket.name, endpoint=proxy.endpoint))
        return await asyncio.to_thread(what, store)  # type: ignore[arg-type]


async def test_on_a_good_day_nothing_is_changed(
    bucket: Bucket, day: BadDay, tmp_path: Path
) -> None:
    def use(store: S3Store) -> None:
        source = tmp_path / "source"
        source.write_bytes(DATA)
        store.put("a/1", source)
        store.fetch("a/1", tmp_path / "target")
        assert (tmp_path / "target").read_bytes() == DATA
        assert store.put_if_absent("a/2", b"2")
        assert not store.put_if_absent("a/2", b"3")
        assert [found.name for found in store.list("a/")] == ["a/1", "a/2"]
        store.delete(["a/1"])
        with pytest.raises(ObjectMissing):
            store.get("a/1")

    await through(bucket, day, use)
    assert not day.hits
    assert not day.unreachable


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("missing", "stale", "flipped")])
async def test_a_request_meets_it_and_the_next_one_does_not(
    kind: str, bucket: Bucket, day: BadDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.faults.bucket_proxy.LONGEST_STALL_S", 0.01)
    day.turn(kind, 0.5)

    def use(store: S3Store) -> bytes:
        for n in range(6):
            store.put(f"b/{n}", DATA)
        return store.get("b/0")

    with_retries = await through(bucket, day, use)
    assert with_retries == DATA
    assert day.hits[kind]


async def test_bytes_that_are_flipped(bucket: Bucket, day: BadDay) -> None:
    def use(store: S3Store) -> bytes:
        store.put("c", DATA)
        day.turn("flipped", 1.0)
        return store.get("c")

    found = await through(bucket, day, use)
    assert isinstance(found, bytes)
    assert len(found) == len(DATA)
    assert sum(a != b for a, b in zip(found, DATA, strict=True)) == 1


async def test_an_object_that_is_there_is_missing(bucket: Bucket, day: BadDay) -> None:
    def use(store: S3Store) -> None:
        store.put("d", DATA)
        day.turn("missing", 1.0)
        with pytest.raises(ObjectMissing):
            store.get("d")

    await through(bucket, day, use)
    assert day.hits["missing"] == 1


async def test_a_listing_is_an_old_one(bucket: Bucket, day: BadDay) -> None:
    def use(store: S3Store) -> list[int]:
        counts = []
        for n in range(3):
            store.put(f"e/{n}", DATA)
            day.turn("stale" if n == 2 else "", 1.0)
            counts.append(len(list(store.list("e/"))))
        return counts

    assert await through(bucket, day, use) == [1, 2, 2]
    assert day.hits["stale"] == 1


async def test_a_server_that_is_down_for_good_is_told(bucket: Bucket, day: BadDay) -> None:
    def use(store: S3Store) -> None:
        day.turn("down", 1.0)
        with pytest.raises(ObjectStoreError):
            store.get("f")

    await through(bucket, day, use)
    assert day.hits["down"] > 1
