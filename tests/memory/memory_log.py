"""Messages with content and accesses of memories, appended to a log and folded at once."""

import json
from collections.abc import Sequence
from typing import Any

from msgspec import structs
from usage.writer import Writer, data

from streams.core.fold import Output
from streams.core.log import (
    DEFAULT_CONFIG,
    Accessed,
    Content,
    HoldRelease,
    HoldSet,
    Imported,
    LeaseGiven,
    LeaseRecalled,
    MemoryErase,
    Message,
    Origin,
    QuotaGranted,
    Tick,
    Vector,
)
from streams.core.time import SECOND
from streams.memory.leases import held
from streams.memory.memories import RECORDS
from streams.memory.recall import memories

PRIORITIES = {"LOW": 1, "MEDIUM": 2, "HIGH": 3, "CRITICAL": 4}
_OF_MESSAGE = ("agent", "session", "cost_attribution")


class MemoryLog(Writer):
    """A log in which agents say things and workers give memories out."""

    def say(
        self,
        text: str = "hello",
        *,
        memory_id: str | None = None,
        vector: Vector | None = None,
        given: dict[str, Any] | None = None,
        imported: Imported | None = None,
        **rest: Any,
    ) -> list[Output]:
        """Append a message with content; ``given`` are its optional fields, as admit has them."""
        given = given or {}
        fields = {"context_tags": (), "related_memories": ()} | given
        content = Content(
            text,
            PRIORITIES[given.get("priority", "MEDIUM")],
            fields["context_tags"],
            given.get("ttl_seconds"),
            given.get("cluster_state"),
            given.get("pipeline_context"),
            fields["related_memories"],
            given.get("subject"),
            memory_id,
            given.get("metadata"),
            tuple(given),
            vector,
            imported,
        )
        message = [given.get(name, "") for name in _OF_MESSAGE]
        return self.append(Message(*message, "", None, content), **rest)

    def access(self, *counts: tuple[str, int], **rest: Any) -> list[Output]:
        """Append accesses of memories."""
        origin = Origin("a worker", 1, 0, len(self.entries))
        return self.append(Accessed(counts), origin=origin, **rest)

    def limit(self, limit: int, **rest: int) -> None:
        """Append a configuration with this size of working memory."""
        config = structs.replace(DEFAULT_CONFIG, working_limit=limit, **rest)
        self.append(config, tenant="")

    def quota(self, quota_mb: int, tier: str = "standard", **rest: Any) -> list[Output]:
        """Append control's grant of a quota."""
        return self.append(QuotaGranted(quota_mb, tier), **rest)

    def erase(
        self, *names: str, subject: str | None = None, reason: str = "asked to", **rest: Any
    ) -> list[Output]:
        """Append a memory.erase of memories, of a subject, or of all."""
        return self.append(MemoryErase(subject, names, reason), **rest)

    def keep(self, *names: str, subject: str | None = None, **rest: Any) -> list[Output]:
        """Append a hold.set of memories, or of a subject."""
        return self.append(HoldSet(subject, names), **rest)

    def release(self, *names: str, subject: str | None = None, **rest: Any) -> list[Output]:
        """Append a hold.release of memories, or of a subject."""
        return self.append(HoldRelease(subject, names), **rest)

    def hold(self, pool: int, reserve: int = 0, total: int = 0) -> None:
        """Let the partition hold so much of the pool and of the reserve, as control gives it."""
        self.append(Tick(), tenant="")
        lease = held(self.view, self.entries[-1])
        back = LeaseRecalled(lease.epoch, lease.pool, None, pool)
        self.append(back, tenant="")
        self.append(LeaseGiven(lease.epoch, 0, pool, reserve, pool, total), tenant="")

    def wait(self, seconds: int, *, ticks: int = 0) -> None:
        """Let log time pass, and tick."""
        self.now += seconds * SECOND
        for _ in range(ticks):
            self.append(Tick(), tenant="")

    def records(self, tenant: str = "t1", **filters: str) -> list[dict[str, Any]]:
        """All records of a tenant, in the order of lists."""
        items, end = memories(self.view, tenant, limit=10_000, log_time=self.log_time, **filters)  # type: ignore[arg-type]
        assert end is None
        return [json.loads(bytes(item)) for item in items]

    def tiers(self, tenant: str = "t1") -> dict[str, str]:
        """Tier of each memory by id."""
        return {record["id"]: record["tier"] for record in self.records(tenant)}


def sent(outputs: Sequence[Output]) -> list[tuple[str, str]]:
    """Id and tier of each record of a memory that went out."""
    return [(output.subject, data(output)["tier"]) for output in outputs if output.topic == RECORDS]
