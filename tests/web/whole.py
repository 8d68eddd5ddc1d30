"""Admit, fold and rows as they are, with nothing but memory between them."""

from collections.abc import Sequence

from litestar import Litestar
from usage.memory_view import MemoryView

from streams import topology
from streams.agents.admit import Incoming, admit, marker
from streams.agents.fold import fold
from streams.core.errors import Refused
from streams.core.fold import Entry, settle
from streams.core.ids import partition_of
from streams.core.log import Call, Origin
from streams.ports import Outgoing, Produced
from streams.settings import Settings
from streams.web.app import create_app

from .fakes import NOW, PARTITIONS, FakeCluster, FakeFinder, FakePartition, FakeProducer
from .servers import SETTINGS


class Book:
    """A dollar a call of model m; no other model has a price."""

    version = "test"

    def cost(self, call: Call, at: int) -> int | None:
        return 1_000_000_000 if call.model == "m" else None


def incoming(
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes]],
    origin: Origin | None = None,
) -> Incoming:
    return Incoming(topic, key, value, headers, NOW, NOW, origin or Origin(topic, 0, 0, 0))


def check(
    topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
) -> None:
    """Admit's decoder, as a worker gives it to the API."""
    admit(incoming(topic, key, value, headers), Book())


class WholeProducer(FakeProducer):
    """What is produced is admitted and folded before it is acknowledged."""

    def __init__(self, cluster: FakeCluster, settings: Settings) -> None:
        super().__init__()
        self.cluster = cluster
        self.settings = settings
        self.now = NOW
        """When what is produced is appended to the log."""
        self.skipped: set[str] = set()
        """Ids of events that the store would know as duplicates."""
        self.views: dict[int, MemoryView] = {}
        for number, partition in cluster.here.items():
            self.views[number] = MemoryView(stored=True)
            partition.reader = self.views[number]

    async def produce(self, records: Sequence[Outgoing]) -> list[Produced]:
        placed = await super().produce(records)
        for record, at in zip(records, placed, strict=True):
            short = record.topic.removeprefix(self.settings.topic_prefix)
            self._fold(short, record, at)
            self.cluster.committed[short, at.partition] = at.offset + 1
        return placed

    def _fold(self, topic: str, record: Outgoing, at: Produced) -> None:
        assert topic in topology.INPUTS
        origin = Origin(record.topic, 0, at.partition, at.offset)
        read = incoming(topic, record.key, record.value, record.headers, origin)
        try:
            admitted = admit(read, Book())
        except Refused as refused:
            admitted = marker(read, refused)
        home = partition_of(admitted.tenant, self.cluster.partitions)
        partition: FakePartition = self.cluster.here[home]
        partition.offset += 1
        entry = Entry(admitted, home, partition.offset, self.now, self.now)
        partition.log_time = self.now
        if admitted.id not in self.skipped:
            self._commit(partition, self.views[home], entry)
        self.cluster.log_ends[home] = partition.offset + 1

    def _commit(self, partition: FakePartition, view: MemoryView, entry: Entry) -> None:
        """Fold, and tell who watches what has changed."""
        before = dict(view.rows)
        fold(view, entry)
        settle(view)
        if partition.watcher is not None:
            keys = [key for key in {**before, **view.rows} if before.get(key) != view.rows.get(key)]
            partition.watcher.committed([(key, view.encoded().get(key)) for key in keys])


class Whole:
    """One app over the real admit, folds and rows."""

    def __init__(self) -> None:
        self.cluster = FakeCluster(*range(PARTITIONS))
        self.producer = WholeProducer(self.cluster, SETTINGS)
        self.app: Litestar = create_app(
            cluster=self.cluster,
            producer=self.producer,
            check=check,
            settings=SETTINGS,
            finder=FakeFinder(),
            clock=lambda: NOW,
        )

    def begin_anew(self) -> None:
        """Be empty again: making an app takes long."""
        self.cluster.__init__(*range(PARTITIONS))  # type: ignore[misc]
        self.producer.__init__(self.cluster, SETTINGS)  # type: ignore[misc]
