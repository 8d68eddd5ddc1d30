"""ports.Cluster over Kafka and this process's own stores."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams import topology
from streams.core.envelope import open_envelope, read_headers
from streams.core.errors import Failed, Refused, StoreDamaged, StoreLost
from streams.core.ids import partition_of
from streams.core.time import format_time
from streams.ports import (
    LocalPartition,
    Looked,
    MigrationStatus,
    Owner,
    PartitionStatus,
    SnapshotTaken,
)
from streams.runtime import clients
from streams.runtime.clients import Inquiry
from streams.runtime.digest import digest as digest_rows
from streams.runtime.owner import PartitionOwner
from streams.runtime.ownership import Ownership
from streams.runtime.rewriting import count_rows
from streams.runtime.snapshotter import Snapshotter
from streams.runtime.verifying import Verifier
from streams.settings import Settings

POLL_S = 0.02
QUOTA_SET = "quota.set"


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Say in the API's terms that Kafka does not answer just now."""
    try:
        yield
    except KafkaError as error:
        raise Failed(f"Kafka does not answer: {error}") from error


class KafkaCluster:
    """What the API of one process knows of this process and the others.

    Parameters
    ----------
    owners : mapping
        This process's own partitions; empty in an admit worker and in the gateway.
    others : callable
        Its partitions of other logs: control, if it is here.
    snapshotter : Snapshotter, optional
        Takes snapshots of them.
    verifier : Verifier, optional
        Looks for what was erased.
    ready : callable
        None when the process does its work, else what it waits for.
    """

    def __init__(
        self,
        settings: Settings,
        ownership: Ownership,
        inquiry: Inquiry,
        owners: Mapping[int, PartitionOwner],
        ready: Callable[[], str | None],
        others: Callable[[], Iterable[PartitionOwner]] = tuple,
        snapshotter: Snapshotter | None = None,
        verifier: Verifier | None = None,
    ) -> None:
        self.partitions = settings.partitions
        self.ready = ready
        self._settings = settings
        self._ownership = ownership
        self._owners = owners
        self._others = others
        self._snapshotter = snapshotter
        self._verifier = verifier
        self._log = topology.name(settings, topology.TENANT_LOG)
        self._control = TopicPartition(topology.name(settings, topology.TENANT_CONTROL), 0)
        self._inquiry = inquiry

    def local(self, partition: int) -> LocalPartition | None:
        """Return the partition if this process owns it and it is open for reads."""
        owner = self._owners.get(partition)
        return None if owner is None else owner.store

    def owner(self, partition: int) -> Owner | None:
        """Return the announced owner."""
        return self._ownership.owners.get(partition)

    def owners(self) -> list[Owner]:
        """Return all announced owners, by partition."""
        return [owner for _, owner in sorted(self._ownership.owners.items())]

    def control(self) -> Owner | None:
        """Return who folds tenant.control.v1, as announced."""
        return self._ownership.control

    async def snapshot(self) -> list[SnapshotTaken]:
        """Take snapshots of this process's own partitions."""
        if self._snapshotter is None:
            return []
        return await self._snapshotter.take(unchanged=True)

    async def erased(self, tenant: str, texts: Sequence[str]) -> list[Looked]:
        """Look for what was erased of a tenant of this process's own, and for texts.

        Raises
        ------
        StoreLost
            Its partition is another one's now.
        """
        owner = self._owners.get(partition_of(tenant, self.partitions))
        if self._verifier is None or owner is None:
            raise StoreLost("the partition is not here")
        with _answering():
            return await self._verifier.look(owner, tenant, texts)

    async def migrations(self, *, rows: bool) -> list[MigrationStatus]:
        """Tell in which versions this process's own partitions are."""
        return [await self._migration(owner, rows) for owner in self._all()]

    async def _migration(self, owner: PartitionOwner, with_rows: bool) -> MigrationStatus:
        store, error, rows = owner.store, owner.error, None
        if store is None:
            error = error or f"it is {owner.state}"
        elif with_rows:
            try:
                rows = await asyncio.to_thread(count_rows, store.db, store.job.kinds)
            except StoreLost as lost:
                error = str(lost)
        return MigrationStatus(
            topic=owner.tp.topic,
            partition=owner.partition,
            worker=self._settings.worker,
            schema=store.config.schema if store else "",
            newest=owner.host.job.schemas[-1],
            rewriting=store is not None and store.rewriting,
            rows=rows,
            error=error,
        )

    async def migrate(self, *, finalize: bool) -> None:
        """Begin to bring the rows of this process's own partitions up to their schema."""
        for owner in self._all():
            if owner.store is None:
                continue
            if finalize:
                await owner.finalize()
            if not owner.store.rewriting:
                owner.store.rewrite()

    def _all(self) -> list[PartitionOwner]:
        return [*(owner for _, owner in sorted(self._owners.items())), *self._others()]

    async def admitted(self, topic: str, partition: int, offset: int, timeout: float) -> bool:
        """Wait until admit's committed offset is past ``offset``.

        Raises
        ------
        LookupError
            No such partition of an input topic.
        """
        tp = TopicPartition(topology.name(self._settings, topic), partition)
        if topic not in topology.INPUTS or not 0 <= partition < await self._size(tp.topic):
            raise LookupError(f"{topic} has no partition {partition}")
        deadline = time.monotonic() + timeout
        while True:
            with _answering():
                committed = await self._inquiry.committed(self._settings.admit_group, tp)
            if committed.offset > offset:
                return True
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(POLL_S)

    async def decided(self, partition: int, offset: int, timeout: float) -> bool:
        """Wait until control has answered a command, if it is for control."""
        deadline = time.monotonic() + timeout
        with _answering():
            end = await self._inquiry.end(self._control)
            for_control = None
            while (await self._inquiry.committed(self._settings.group, self._control)).offset < end:
                if for_control is None:
                    for_control = await self._for_control(partition, offset)
                if not for_control:
                    break
                if time.monotonic() >= deadline:
                    return False
                await asyncio.sleep(POLL_S)
        return True

    async def _for_control(self, partition: int, offset: int) -> bool:
        """Whether a record of tenant.commands is one for control."""
        topic = topology.name(self._settings, topology.TENANT_COMMANDS)
        tp = TopicPartition(topic, partition)
        async with clients.reader(self._settings.kafka) as consumer:
            consumer.assign([tp])
            consumer.seek(tp, offset)
            record = await consumer.getone()
        try:
            event = open_envelope(read_headers(record.headers), record.value)
        except Refused:
            return False
        return event is not None and event.type == QUOTA_SET

    async def _size(self, topic: str) -> int:
        with _answering():
            return await self._inquiry.partitions(topic)

    async def log_end(self, partition: int) -> int:
        """Return the end offset of the tenant log's partition, now."""
        with _answering():
            return await self._inquiry.end(TopicPartition(self._log, partition))

    async def status(self, *, digest: bool) -> list[PartitionStatus]:
        """Return the status of this process's own partitions."""
        return [await self._status(owner, with_digest=digest) for owner in self._all()]

    async def _status(self, owner: PartitionOwner, *, with_digest: bool) -> PartitionStatus:
        store = owner.store
        with _answering():
            end = await self._inquiry.end(TopicPartition(*owner.tp))
        offset = store.source.offset if store else -1
        found = None
        if with_digest and store is not None:
            # The iterator is a snapshot of the offset that is told beside it.
            offset, it = store.source.offset, store.db.iter()
            try:
                found = await asyncio.to_thread(digest_rows, it)
            except StoreDamaged as damage:
                store.reader.damage = damage
        return PartitionStatus(
            topic=owner.tp.topic,
            partition=owner.partition,
            worker=self._settings.worker,
            url=owner.host.url(),
            state=owner.state,
            error=owner.error,
            offset=offset,
            end_offset=end,
            lag=max(0, end - offset - 1),
            log_time=format_time(store.source.log_time) if store else None,
            changelog_offset=store.changelog_offset if store else -1,
            recovered_from=owner.recovered.source,
            snapshot_age_seconds=(
                None if self._snapshotter is None else self._snapshotter.age_seconds(owner.tp)
            ),
            rows=found.rows if found else None,
            digest=found.hex if found else None,
        )
