"""Take-over: the changelog's committed tail, damaged disks, topics that are not what was read."""

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import TopicPartition

from streams.core.errors import PartitionRed, StoreLost
from streams.runtime import clients, positions
from streams.runtime.clients import Inquiry
from streams.runtime.dedupe import HASH
from streams.runtime.recovery import (
    check_position,
    open_local,
    put_aside,
    replay_changelog,
    replay_dedupe,
)
from streams.runtime.view import open_database, scan_raw

from .faults import full_disk
from .stores import asking


@pytest.fixture
async def inquiry(kafka: str) -> AsyncIterator[Inquiry]:
    async with asking(kafka) as open_inquiry:
        yield open_inquiry


@pytest.fixture
async def tp(kafka: str, prefix: str) -> TopicPartition:
    name = f"{prefix}changelog"
    async with clients.admin(kafka) as admin:
        await admin.create_topics([NewTopic(name, 1, 1)])
    return TopicPartition(name, 0)


async def transaction(
    producer: AIOKafkaProducer, tp: TopicPartition, rows: dict[bytes, bytes | None], commit: bool
) -> None:
    await producer.begin_transaction()
    for key, value in rows.items():
        await producer.send_and_wait(tp.topic, value, key, tp.partition)
    await (producer.commit_transaction() if commit else producer.abort_transaction())


async def test_only_what_was_committed_is_replayed(
    kafka: str, inquiry: Inquiry, tp: TopicPartition, tmp_path: Path
) -> None:
    producer = clients.transactional_producer(kafka, f"{tp.topic}-x")
    await producer.start()
    db = open_database(tmp_path / "db")
    try:
        assert (await replay_changelog(inquiry, tp, db)).source == "defaults"
        await transaction(producer, tp, {b"a": b"1", b"b": b"1", b"c": b"1"}, True)
        await transaction(producer, tp, {b"a": b"2", b"d": b"2"}, False)
        assert (await replay_changelog(inquiry, tp, db)).source == "changelog"
        assert dict(_rows(db)) == {b"a": b"1", b"b": b"1", b"c": b"1"}
        await transaction(producer, tp, {b"a": b"3", b"b": None}, True)
        tail = await replay_changelog(inquiry, tp, db)
        assert (tail.source, tail.rows) == ("local", 2)
        assert dict(_rows(db)) == {b"a": b"3", b"c": b"1"}
        assert (await replay_changelog(inquiry, tp, db)).rows == 0
    finally:
        db.close()
        await producer.stop()


def _rows(db: Any) -> list[tuple[bytes, bytes]]:
    return [(key, value) for key, value in db.items() if key >= positions.LOGICAL_START]


async def test_state_of_another_changelog_is_not_trusted(
    inquiry: Inquiry, tp: TopicPartition, tmp_path: Path
) -> None:
    db = open_database(tmp_path / "db")
    db.put(positions.CHANGELOG_KEY, positions.number(5))
    with pytest.raises(StoreLost, match=r"at offset 5 of .* which ends at 0"):
        await replay_changelog(inquiry, tp, db)
    db.close()


def test_a_damaged_database_is_put_aside_not_deleted(tmp_path: Path) -> None:
    path = tmp_path / "state"
    db = open_database(path)
    db.put(b"a", b"1")
    db.close()
    (path / "CURRENT").write_bytes(b"nonsense")
    db = open_local(path)
    assert db.get(b"a") is None
    db.close()
    (aside,) = tmp_path.glob("state.damaged-*")
    assert (aside / "CURRENT").read_bytes() == b"nonsense"
    put_aside(path)
    assert not path.exists()
    assert len(list(tmp_path.glob("state.damaged-*"))) == 2


def test_a_full_disk_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "state"
    db = open_database(path)
    db.put(b"a", b"1")
    with pytest.raises(Exception, match="lock hold"):
        open_local(path)
    db.close()
    with full_disk(path, free=0), pytest.raises(Exception, match=os.strerror(errno.EFBIG)):
        open_local(path)
    db = open_local(path)
    assert db.get(b"a") == b"1"
    db.close()
    assert list(tmp_path.iterdir()) == [path]


async def check(inquiry: Inquiry, tp: TopicPartition, stored: int, fingerprint: str = "") -> int:
    return await check_position(inquiry, tp, stored, fingerprint, adopt_hint="HINT")


async def test_where_to_go_on(kafka: str, inquiry: Inquiry, tp: TopicPartition) -> None:
    assert await check(inquiry, tp, -1) == 0
    with pytest.raises(PartitionRed, match=r"ends at 0 but was read up to 0.*made anew. HINT"):
        await check(inquiry, tp, 0)
    prints = []
    async with clients.reader(kafka) as consumer, plain(kafka) as producer:
        for number in range(5):
            await producer.send_and_wait(tp.topic, b"%d" % number)
        async for records in clients.read_to(consumer, tp, 0, 5):
            prints += [positions.fingerprint(record) for record in records]
    for stored in range(5):
        assert await check(inquiry, tp, stored, prints[stored]) == stored + 1
        assert await check(inquiry, tp, stored) == stored + 1
        with pytest.raises(PartitionRed, match=rf"another record at {stored}.*HINT"):
            await check(inquiry, tp, stored, prints[stored - 1])
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_records({tp: RecordsToDelete(before_offset=3)})
    await admin.close()
    # What is remembered of a record that retention has taken can't be compared.
    assert await check(inquiry, tp, 2, prints[2]) == 3
    with pytest.raises(PartitionRed, match=r"begins at 3 but was read up to 1.*gone. HINT"):
        await check(inquiry, tp, 1, prints[1])
    assert await check(inquiry, tp, -1) == 3


@asynccontextmanager
async def plain(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = clients.plain_producer(kafka)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def test_identities_later_than_the_state_are_left_out_by_the_time_they_are_kept_by(
    kafka: str, inquiry: Inquiry, tp: TopicPartition, tmp_path: Path
) -> None:
    """Pauses are in the log time, not in theirs."""
    producer = clients.plain_producer(kafka)
    await producer.start()
    packed = b"".join(bytes([n]) * HASH + n.to_bytes(8, "big") for n in (4, 5, 6))
    await producer.send_and_wait(tp.topic, packed, None, tp.partition)
    await producer.stop()
    db = open_database(tmp_path / "db")
    try:
        source = positions.Source(1, 7, "x", log_time=105, paused=100)
        db.put(positions.SOURCE_KEY, positions.encode(source))
        await replay_dedupe(inquiry, tp, db, 1_000)
        found = [key[-HASH:][0] for key, _ in scan_raw(db, positions.DEDUPE_PREFIX)]
        assert found == [4, 5]
    finally:
        db.close()
