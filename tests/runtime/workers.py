"""Roles in the test's process: Faust, its consumer, owners and writers are the real ones."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from streams import topology
from streams.core import log
from streams.core.log import Config, Record
from streams.core.rows import tenant_key
from streams.runtime import clients
from streams.runtime.admit_role import AdmitRole
from streams.runtime.clients import Inquiry
from streams.runtime.fold_role import FoldRole
from streams.runtime.job import Job
from streams.runtime.owner import PartitionOwner
from streams.runtime.ownership import Ownership
from streams.settings import Settings

from .stores import TENANT, Count, job

BATCH = 500
INPUT = b'{"usage":{"gen_ai.usage.input_tokens":1}}'


class Folding:
    """A fold worker that counts (stores.fold), and what it gave up for."""

    def __init__(self, role: FoldRole, gave_up: list[str]) -> None:
        self.role = role
        self.gave_up = gave_up

    @property
    def owners(self) -> dict[int, PartitionOwner]:
        return self.role.owners

    def states(self) -> dict[int, str]:
        return {p: owner.state for p, owner in sorted(self.owners.items())}

    def running(self) -> bool:
        return self.role.ready() is None and len(self.owners) > 0

    def counted(self, partition: int = 0) -> int:
        """Events counted in a partition, -1 while its store is not open."""
        store = self.owners[partition].store
        if store is None:
            return -1
        row = store.reader.get(Count, tenant_key(Count, TENANT))
        return 0 if row is None else row.number


@asynccontextmanager
async def folding(
    settings: Settings, folder: Path, made: Job | None = None, config: Config | None = None
) -> AsyncIterator[Folding]:
    """Fold as a worker process of these settings does, until the context ends."""
    gave_up: list[str] = []
    async with _knowing(settings) as (ownership, inquiry):
        role = FoldRole(
            *(settings, folder, "http://nowhere", ownership, inquiry, gave_up.append),
            job=made or job(settings),
            config=config,
        )
        async with _running(role):
            yield Folding(role, gave_up)


@asynccontextmanager
async def admitting(
    settings: Settings, folder: Path, gave_up: Callable[[str], None]
) -> AsyncIterator[AdmitRole]:
    """Admit as a worker process of these settings does, until the context ends."""
    async with _knowing(settings) as (ownership, inquiry):
        role = AdmitRole(settings, folder, "", ownership, inquiry, gave_up)
        async with _running(role):
            yield role


@asynccontextmanager
async def _knowing(settings: Settings) -> AsyncIterator[tuple[Ownership, Inquiry]]:
    ownership, inquiry = Ownership(settings), Inquiry(settings.kafka)
    await asyncio.gather(ownership.start(), inquiry.start())
    try:
        yield ownership, inquiry
    finally:
        await asyncio.gather(ownership.stop(), inquiry.stop())


@asynccontextmanager
async def _running(role: FoldRole | AdmitRole) -> AsyncIterator[None]:
    Path(role.app.conf.datadir).parent.mkdir(parents=True, exist_ok=True)
    await role.start()
    with pytest.MonkeyPatch.context() as patch:
        # aiokafka keeps what a member has in its assignor's class: here there are several members.
        patch.setattr(
            role.app, "group_assignor", type("OwnAssignor", (role.app.group_assignor,), {})
        )
        await role.app.start()
    try:
        yield
    finally:
        await role.stop()
        await role.app.stop()


def alone(settings: Settings, partitions: int = 1, worker: str = "w0") -> Settings:
    """Settings of a worker whose log holds nothing but what a test appends: no ticks."""
    return msgspec.structs.replace(
        settings, partitions=partitions, worker=worker, tick_seconds=3600
    )


async def append(settings: Settings, records: Iterable[Record], partition: int = 0) -> None:
    """Append records to the log, as admit does."""
    topic = job(settings).topic
    producer = clients.plain_producer(settings.kafka)
    await producer.start()
    try:
        batch, inside = producer.create_batch(), 0
        for record in records:
            batch.append(key=record.tenant.encode(), value=log.encode(record), timestamp=None)
            inside += 1
            if inside == BATCH:
                await (await producer.send_batch(batch, topic, partition=partition))
                batch, inside = producer.create_batch(), 0
        if inside:
            await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()


async def send_inputs(
    settings: Settings, numbers: Iterable[int], partition: int = 0, long: Iterable[int] = ()
) -> None:
    """Send messages as a user does; those in ``long`` have a long id."""
    topic = topology.name(settings, topology.AGENT_MESSAGES)
    producer = clients.plain_producer(settings.kafka)
    await producer.start()
    try:
        for number in numbers:
            event_id = str(number) * (500 if number in long else 1)
            headers = [
                ("ce_specversion", b"1.0"),
                ("ce_id", event_id.encode()),
                ("ce_source", b"/s"),
                ("ce_type", b"agent.message"),
            ]
            await producer.send_and_wait(topic, INPUT, TENANT.encode(), partition, headers=headers)
    finally:
        await producer.stop()
