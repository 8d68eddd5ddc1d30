"""The one map of topics: keys, writers, readers, settings. Everything that names a topic asks it.

Topic creation, `streams topics list`, `streams topology` and the docs' diagram come from here.
"""

import msgspec

from streams.settings import Settings

HOUR_MS = 3_600_000
MIB = 1 << 20

INPUT_MAX_BYTES = 1 * MIB
"""The largest input value; above it the answer is ``too_large``."""
INPUT_TOPIC_BYTES = 2 * MIB
"""What input topics and producers accept, so that ``too_large`` is ours to say."""
INTERNAL_MAX_BYTES = 8 * MIB
SEGMENTS = 24
"""So many segments of a topic's records come in the time within which what is erased must go."""
COPIES_WITH_A_SPARE = 3
"""With so many, two may be asked for and one broker may still be away."""

JOB_EVENTS = "job.events.v1"
AGENT_MESSAGES = "agent.messages.v1"
CONTEXT_REQUESTS = "context.requests.v1"
TENANT_COMMANDS = "tenant.commands.v1"
TENANT_LOG = "tenant.log.v1"
TENANT_CONTROL = "tenant.control.v1"
TENANT_DEDUPE = "tenant.dedupe.v1"
OWNERS = "streams.owners.v1"
MEMORY_RECORDS = "memory.records.v1"
MEMORY_CONSOLIDATED = "memory.consolidated.v1"
BUDGET_ALERTS = "budget.alerts.v1"
TENANT_AUDIT = "tenant.audit.v1"

INPUTS = (JOB_EVENTS, AGENT_MESSAGES, CONTEXT_REQUESTS, TENANT_COMMANDS)
OUTPUTS = (MEMORY_RECORDS, MEMORY_CONSOLIDATED, BUDGET_ALERTS, TENANT_AUDIT)


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One topic as it must exist on the broker."""

    name: str
    """Full name, prefix included."""
    key: str
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    partitions: int
    replication: int
    configs: dict[str, str]
    internal: bool = False
    fixed_partitions: bool = False
    """Whether the number of partitions may never change."""
    contents: bool = False
    """Whether what somebody wrote may stand in it: erasure has to reach it."""


def name(settings: Settings, topic: str) -> str:
    """Full name of a topic of this installation."""
    return settings.topic_prefix + topic


def dlq(topic: str) -> str:
    """Dead letter topic of an input topic."""
    return f"{topic}.dlq"


def changelog(settings: Settings, topic: str = TENANT_LOG) -> str:
    """Changelog of the folds' state of a topic: one group, one changelog."""
    return f"{settings.group}-{topic}-changelog"


def topics(settings: Settings) -> tuple[Topic, ...]:
    """All topics of an installation, inputs first."""

    def topic(
        short: str,
        key: str,
        written: str,
        read: str,
        configs: dict[str, str] | None = None,
        *,
        partitions: int = settings.partitions,
        internal: bool = False,
        fixed_partitions: bool = False,
        contents: bool = False,
    ) -> Topic:
        base = {"cleanup.policy": "delete", "max.message.bytes": str(INTERNAL_MAX_BYTES)}
        if settings.replication >= COPIES_WITH_A_SPARE:
            # Kafka's default is 1: an acknowledged record could be on a dead broker alone.
            base["min.insync.replicas"] = "2"
        return Topic(
            name=name(settings, short),
            key=key,
            written_by=tuple(written.split(", ")),
            read_by=tuple(read.split(", ")),
            partitions=partitions,
            replication=settings.replication,
            configs=base | (configs or {}),
            internal=internal,
            fixed_partitions=fixed_partitions,
            contents=contents,
        )

    # A deleted record goes with its segment: after the retention and the time that one is written.
    deadline = settings.erase_deadline_hours * HOUR_MS
    segment = {"segment.ms": str(deadline // SEGMENTS)}
    passing = segment | {"retention.ms": str(deadline - 2 * (deadline // SEGMENTS))}
    inputs = passing | {"max.message.bytes": str(INPUT_TOPIC_BYTES)}
    compact = {
        "cleanup.policy": "compact",
        "segment.bytes": str(64 * MIB),
        "min.cleanable.dirty.ratio": "0.2",
        # A tombstone must outlive the oldest local state that may still be brought up to date.
        "delete.retention.ms": str(settings.log_retention_hours * HOUR_MS),
    }
    # How old a state is that was kept elsewhere must not hang on a worker's clock.
    # And what a tombstone or a later row replaces must be gone in time, however idle the topic is.
    replaced = {"max.compaction.lag.ms": str(deadline // 4)}
    rows = compact | replaced | {"message.timestamp.type": "LogAppendTime"}
    log = {
        "retention.ms": str(settings.log_retention_hours * HOUR_MS),
        "message.timestamp.type": "LogAppendTime",
    } | segment
    dedupe = {"retention.ms": str((settings.dedupe_hours + 2) * HOUR_MS)}
    owned = {"internal": True, "fixed_partitions": True}
    told = {"contents": True}
    return (
        topic(JOB_EVENTS, "any", "users", "admit", inputs, **told),
        topic(AGENT_MESSAGES, "tenant", "users, HTTP API", "admit", inputs, **told),
        topic(CONTEXT_REQUESTS, "tenant", "users, HTTP API", "admit", inputs, **told),
        topic(TENANT_COMMANDS, "tenant", "users, HTTP API, CLI", "admit", inputs, **told),
        topic(TENANT_LOG, "tenant", "admit, fold (ticks), control", "fold", log, **owned, **told),
        topic(changelog(settings), "row key", "fold", "fold (take-over)", rows, **owned, **told),
        topic(TENANT_CONTROL, "tenant", "admit, fold", "control", log, partitions=1, **owned),
        topic(
            changelog(settings, TENANT_CONTROL),
            "row key",
            "control",
            "control (take-over)",
            rows,
            partitions=1,
            **owned,
        ),
        topic(TENANT_DEDUPE, "-", "fold", "fold (take-over)", dedupe, **owned),
        topic(
            *(OWNERS, "topic/partition", "admit, fold", "every worker", compact),
            internal=True,
            partitions=1,
        ),
        topic(MEMORY_RECORDS, "tenant/memory id", "fold", "users", compact | replaced, **told),
        topic(MEMORY_CONSOLIDATED, "tenant", "fold", "users", passing, **told),
        topic(BUDGET_ALERTS, "tenant", "fold", "users"),
        topic(TENANT_AUDIT, "tenant", "fold", "users"),
        *(topic(dlq(t), "as read", "admit, fold", "users", passing, **told) for t in INPUTS),
    )
