"""Topics are created as the map says, checked, and never changed behind anyone's back."""

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams import topology
from streams.core.errors import Failed, Misuse
from streams.runtime.processes import free_port
from streams.runtime.topics import check, describe, ensure, late
from streams.settings import Settings


@pytest.fixture
async def admin(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await client.start()
    yield client
    await client.close()


async def test_creates_all_once_as_the_map_says(settings: Settings) -> None:
    wanted = topology.topics(settings)
    lines = await ensure(settings)
    assert len(lines) == len(wanted)
    assert all(topic.name in line for topic, line in zip(wanted, lines, strict=True))
    assert await ensure(settings) == []
    for row, topic in zip(await describe(settings), wanted, strict=True):
        assert row["found"]["partitions"] == topic.partitions
        assert topic.configs.items() <= row["found"]["configs"].items()
        assert row["wrong"] == []
    log = next(t for t in wanted if t.name.endswith(topology.TENANT_LOG))
    assert log.configs["message.timestamp.type"] == "LogAppendTime"


async def test_says_what_is_missing(settings: Settings) -> None:
    assert {row["found"] for row in await describe(settings)} == {None}
    assert "found" not in (await describe(settings, ask=False))[0]


@pytest.mark.parametrize(
    ("short", "partitions", "configs", "complaint"),
    [
        (topology.TENANT_LOG, 3, {}, "has 3 partitions, must have 2 (fixed for life)"),
        (topology.BUDGET_ALERTS, 5, {}, "has 5 partitions, must have 2"),
        (
            topology.TENANT_LOG,
            2,
            {"message.timestamp.type": "CreateTime"},
            "message.timestamp.type is CreateTime, must be LogAppendTime",
        ),
        (
            topology.OWNERS,
            1,
            {"cleanup.policy": "delete"},
            "cleanup.policy is delete, must be compact",
        ),
        (
            topology.TENANT_AUDIT,
            2,
            {"max.message.bytes": "1000"},
            "max.message.bytes is 1000, must be at least 8388608",
        ),
        (
            topology.AGENT_MESSAGES,
            2,
            {"max.message.bytes": "1048588"},
            "max.message.bytes is 1048588, must be at least 2097152",
        ),
        (
            topology.AGENT_MESSAGES,
            2,
            {"cleanup.policy": "compact,delete"},
            "cleanup.policy is compact,delete, must be delete",
        ),
        (
            topology.AGENT_MESSAGES,
            7,
            {"retention.ms": "1000", "max.message.bytes": "3000000"},
            None,
        ),
        # What is older than the deadline of erasures need not be made anew for it.
        (topology.MEMORY_RECORDS, 2, {"max.compaction.lag.ms": "151200001"}, None),
        (topology.dlq(topology.AGENT_MESSAGES), 2, {"retention.ms": "-1"}, None),
        (topology.TENANT_LOG, 2, {"segment.ms": "604800000"}, None),
        # A shorter log would lose what is not folded yet.
        (
            topology.TENANT_LOG,
            2,
            {"retention.ms": "3600000"},
            "retention.ms is 3600000, must be 604800000",
        ),
    ],
)
async def test_refuses_what_breaks_us_and_only_that(
    settings: Settings,
    admin: AIOKafkaAdminClient,
    until: Callable[..., Awaitable[None]],
    short: str,
    partitions: int,
    configs: dict[str, str],
    complaint: str | None,
) -> None:
    wanted = {topic.name: topic for topic in topology.topics(settings)}
    name = topology.name(settings, short)
    await admin.create_topics(
        [NewTopic(name, partitions, 1, topic_configs=wanted[name].configs | configs)]
    )
    # The controller knows a new topic before the broker does.
    await until(lambda: _exists(settings))
    if complaint is None:
        assert len(await ensure(settings)) == len(wanted) - 1
        return
    with pytest.raises(Misuse) as refused:
        await ensure(settings)
    assert str(refused.value) == f"topic {name}: {complaint}"
    # A refusal leaves everything as it was.
    found = {row["name"] for row in await describe(settings) if row["found"]}
    assert found == {name}


async def _exists(settings: Settings) -> bool:
    return any(row["found"] for row in await describe(settings))


async def test_says_what_keeps_what_is_erased_too_long(
    settings: Settings, admin: AIOKafkaAdminClient, until: Callable[..., Awaitable[None]]
) -> None:
    hour = topology.HOUR_MS
    changed = {
        topology.JOB_EVENTS: {"retention.ms": str(100 * hour), "segment.ms": str(69 * hour)},
        topology.AGENT_MESSAGES: {"retention.ms": "-1"},
        topology.CONTEXT_REQUESTS: {"retention.ms": str(100 * hour)},
        topology.TENANT_LOG: {"segment.ms": str(8 * hour)},
        topology.MEMORY_RECORDS: {"max.compaction.lag.ms": str(43 * hour)},
        topology.TENANT_AUDIT: {"retention.ms": "-1"},
    }
    wanted = {topic.name: topic for topic in topology.topics(settings)}
    names = {topology.name(settings, short): configs for short, configs in changed.items()}
    await admin.create_topics(
        [
            NewTopic(name, 2, 1, topic_configs=wanted[name].configs | configs)
            for name, configs in names.items()
        ]
    )
    await until(lambda: _exists(settings))
    await ensure(settings)
    inputs, kept = "retention.ms=554400000, segment.ms=25200000", "keeps what is erased"
    at = f"the deadline is {settings.erase_deadline_hours}: set"
    told = [
        f"for up to 169 hours, {at} {inputs}",
        f"for ever, {at} {inputs}",
        f"for 8 hours beyond its retention, {at} segment.ms=25200000",
        f"until it happens to be compacted, {at} max.compaction.lag.ms=151200000",
    ]
    late_ones = [
        name for name in names if not name.endswith((topology.CONTEXT_REQUESTS, "audit.v1"))
    ]
    assert await late(settings) == [
        f"{name} {kept} {each}" for name, each in zip(late_ones, told, strict=True)
    ]


async def test_the_number_of_partitions_never_grows_silently(settings: Settings) -> None:
    await ensure(settings)
    with pytest.raises(Misuse, match="must have 4 \\(fixed for life\\)"):
        await ensure(msgspec.structs.replace(settings, partitions=4))


async def test_a_worker_needs_them_all_and_as_they_must_be(settings: Settings) -> None:
    with pytest.raises(Failed, match=r"missing topics: .*tenant\.log\.v1.*streams topics ensure"):
        await check(settings)
    await ensure(settings)
    await check(settings)
    with pytest.raises(Misuse, match="must have 4"):
        await check(msgspec.structs.replace(settings, partitions=4))


async def test_says_which_kafka_does_not_answer() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    with pytest.raises(Failed, match=nowhere):
        await ensure(Settings(kafka=nowhere))
