import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from streams.cli.tail import full_name, records, tailed
from streams.core.errors import Misuse
from streams.runtime.topics import ensure
from streams.settings import Settings
from streams.topology import BUDGET_ALERTS


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'{"a": 1.10}', '{"a": 1.10}'),
        (b'{"a":\n1}', '{"a":1}'),
        (b"[1]", "[1]"),
        (b"text", '"text"'),
        (b"\xff\x00", '"\\\\xff\\u0000"'),
        (b"", '""'),
        (None, "null"),
    ],
)
def test_a_record_is_one_line_whatever_its_value(value: bytes | None, shown: str) -> None:
    line = msgspec.json.encode(tailed(b"t1", (("h", b"x"), ("n", b"\xfe")), value)).decode()
    assert line == f'{{"key":"t1","headers":{{"h":"x","n":"\\\\xfe"}},"value":{shown}}}'
    assert json.loads(line)["key"] == "t1"


def test_a_topic_is_found_with_and_without_its_prefix() -> None:
    settings = Settings(topic_prefix="eu-")
    known = {"eu-budget.alerts.v1", "other"}
    assert full_name(settings, "budget.alerts.v1", known) == "eu-budget.alerts.v1"
    assert full_name(settings, "eu-budget.alerts.v1", known) == "eu-budget.alerts.v1"
    assert full_name(settings, "other", known) == "other"
    with pytest.raises(Misuse, match=r"no topic 'x'; there are: eu-budget\.alerts\.v1"):
        full_name(settings, "x", known)


async def _produce(settings: Settings, values: list[bytes], *, commit: bool) -> None:
    name = f"{settings.topic_prefix}{BUDGET_ALERTS}"
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka, transactional_id=f"{settings.group}-{values[0]!r}"
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        for value in values:
            await producer.send_and_wait(name, value, key=b"t1")
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


async def test_only_committed_records_are_read_and_the_time_ends_it(settings: Settings) -> None:
    await ensure(settings)
    await _produce(settings, [b"1", b"2"], commit=True)
    await _produce(settings, [b"3"], commit=False)
    await _produce(settings, [b"4"], commit=True)
    read = [
        record.value
        async for _, record in records(
            settings, settings.kafka, BUDGET_ALERTS, start="earliest", timeout=0
        )
    ]
    assert sorted(bytes(value) for value in read if value is not None) == [b"1", b"2", b"4"]


async def _prepare(settings: Settings) -> None:
    await ensure(settings)
    await _produce(settings, [b'{"alert_id":"a"}', b'{"alert_id":"b"}'], commit=True)


@pytest.fixture
async def alerts(settings: Settings) -> Settings:
    await _prepare(settings)
    return settings


def test_the_command_ends_after_max(
    alerts: Settings, streams: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMS_TOPIC_PREFIX", alerts.topic_prefix)
    options = ("--from", "earliest", "--max", "2", "--kafka", alerts.kafka)
    ran = streams("tail", BUDGET_ALERTS, *options, "--json")
    assert ran.out.splitlines() == [
        '{"key":"t1","headers":{},"value":{"alert_id":"a"}}',
        '{"key":"t1","headers":{},"value":{"alert_id":"b"}}',
    ]
    assert streams("tail", BUDGET_ALERTS, *options).out.count('  t1  -  {"alert_id":') == 2
    ran = streams("tail", "nope", "--kafka", alerts.kafka)
    assert (ran.code, "no topic 'nope'" in ran.err) == (2, True)


def test_no_kafka_is_one_line(streams: Callable[..., Any]) -> None:
    ran = streams("tail", BUDGET_ALERTS, "--kafka", "127.0.0.1:1")
    assert ran.code == 1
    assert ran.err.startswith("streams: can't reach Kafka at 127.0.0.1:1")
    assert len(ran.err.splitlines()) == 1
