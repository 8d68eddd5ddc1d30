"""Control and the partitions as their folds, with logs between them that are read at any pace."""

from usage.memory_view import MemoryView

from streams.agents.fold import fold as fold_log
from streams.control import folds as control
from streams.control.rows import CONTROL_KEY, AllocationRow, ControlRow, HolderRow
from streams.core.fold import Effect, Entry, Fact
from streams.core.log import (
    VERSION,
    Body,
    Config,
    ControlBody,
    LogRestored,
    Origin,
    QuotaSet,
    Record,
    Tick,
    decode,
    encode,
)
from streams.core.time import SECOND
from streams.memory.rows import LEASE_KEY, LeaseRow, QuotaRow, tenant_of

MIB = 1 << 20
CONTROL = "tenant.control.v1"
LOG = "tenant.log.v1"


class Reader:
    """One partition of an internal log, its rows, and how far it was folded."""

    def __init__(self, shop: "Shop", topic: str, partition: int) -> None:
        self.shop, self.topic, self.partition = shop, topic, partition
        self.log: list[Record] = []
        self.at = 0
        self.incarnation = 0
        self.begin()

    def begin(self) -> None:
        """Begin with empty rows where reading has come to; what lay before is not kept."""
        self.view = MemoryView(stored=True)
        self.fences: dict[tuple[str, int, int], tuple[int, int]] = {}
        self.begun = self.at

    def append(self, body: Body | ControlBody, tenant: str = "", event: str = "") -> None:
        origin = None
        if event:
            self.shop.sent += 1
            origin = Origin("tenant.commands.v1", 0, 0, self.shop.sent)
        self.put(Record(VERSION, tenant, origin, "/test", event, self.shop.now, body))

    def put(self, record: Record) -> None:
        self.log.append(decode(encode(record)))

    def read(self, most: int = 1 << 30) -> list[Effect]:
        """Fold the next records; facts go to where they belong."""
        told: list[Effect] = []
        for offset in range(self.at, min(len(self.log), self.at + most)):
            self.at = offset + 1
            effects = self.fold(offset)
            for n, effect in enumerate(effects):
                if isinstance(effect, Fact):
                    place = Origin(self.topic, self.incarnation, self.partition, offset, n)
                    name, source, event = effect.tenant, effect.source, effect.id
                    fact = Record(VERSION, name, place, source, event, self.shop.now, effect.body)
                    self.shop.reader(effect.topic, effect.partition).put(fact)
            told += effects
        return told

    def fold(self, offset: int) -> list[Effect]:
        record = self.log[offset]
        if record.origin is not None:
            place, here = record.origin, (record.origin.offset, record.origin.n)
            key = (place.topic, place.incarnation, place.partition)
            if here <= self.fences.get(key, (-1, -1)):
                return []
            self.fences[key] = here
        fold = control.fold if self.topic == CONTROL else fold_log
        now = self.shop.now
        return fold(self.view, Entry(record, self.partition, offset, now, now))

    def restore(self, at: int) -> None:
        """Go on from how it was when so much was read, with a log that ends there."""
        self.at = max(self.begun, min(at, self.at))
        del self.log[self.at :]
        self.view, self.fences = MemoryView(stored=True), {}
        for offset in range(self.begun, self.at):
            self.fold(offset)
        self.incarnation += 1


class Shop:
    """Control, and some partitions."""

    def __init__(self, partitions: int = 3, total_mb: int = 100) -> None:
        self.now = 1_000 * SECOND
        self.sent = 0
        self.total_mb = total_mb
        self.control = Reader(self, CONTROL, 0)
        self.partitions = [Reader(self, LOG, p) for p in range(partitions)]
        self.configure(total_mb)

    def reader(self, topic: str, partition: int) -> Reader:
        return self.control if topic == CONTROL else self.partitions[partition]

    def configure(self, total_mb: int) -> None:
        self.total_mb = total_mb
        body = Config(24, 24, 0, "", total_memory_mb=total_mb, partitions=len(self.partitions))
        for reader in (self.control, *self.partitions):
            reader.append(body)

    def restore(self, back: tuple[int, ...]) -> None:
        """All is lost but what was archived: of each log another part of its end is missing."""
        for reader, missing in zip((self.control, *self.partitions), back, strict=True):
            reader.restore(reader.at - missing)
        self.control.append(LogRestored(self.control.incarnation))
        self.control.read()

    def tick(self) -> None:
        self.now += SECOND
        for reader in (self.control, *self.partitions):
            reader.append(Tick())

    def quiet(self) -> None:
        """Read until nobody has anything to say."""
        for _ in range(20):
            self.tick()
            for reader in (self.control, *self.partitions, self.control, *self.partitions):
                reader.read()

    def quota(self, tenant: str, quota_mb: int, event: str, tier: str = "standard") -> None:
        self.control.append(QuotaSet(quota_mb, tier), tenant, event)

    @property
    def row(self) -> ControlRow:
        row = self.control.view.get(ControlRow, CONTROL_KEY)
        assert row is not None
        return row

    def quotas(self) -> dict[str, int]:
        """Quotas that control knows."""
        rows = self.control.view.scan(AllocationRow, AllocationRow.kind)
        return {key[2:].decode(): row.quota_mb for key, row in rows}

    def granted(self) -> dict[str, int]:
        """Quotas that partitions know."""
        rows = [
            found for each in self.partitions for found in each.view.scan(QuotaRow, QuotaRow.kind)
        ]
        return {tenant_of(key): row.quota_mb for key, row in rows}

    def leases(self) -> list[LeaseRow | None]:
        return [reader.view.get(LeaseRow, LEASE_KEY) for reader in self.partitions]

    def holders(self) -> dict[int, HolderRow]:
        rows = self.control.view.scan(HolderRow, HolderRow.kind)
        return {int.from_bytes(key[2:], "big") - (1 << 63): row for key, row in rows}
