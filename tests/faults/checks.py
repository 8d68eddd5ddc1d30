"""What must hold at the end of a fault run. Each check returns what is wrong, in words."""

import asyncio
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
from aiokafka import TopicPartition
from rocksdict import Rdict

from streams import topology
from streams.core.ids import partition_of
from streams.core.log import DEFAULT_CONFIG
from streams.core.time import HOUR
from streams.runtime import clients, positions, recovery
from streams.runtime.clients import Inquiry
from streams.runtime.rebuild import rebuilt_digest
from streams.runtime.view import open_database
from streams.settings import Settings
from tests.faults.fleet import Fleet
from tests.faults.model import MONEY, Model, plain

AT_ONCE = 6
VIEWS = ("hour", "day", "day by model")


async def _ends(settings: Settings, topic: str) -> dict[TopicPartition, int]:
    name = topology.name(settings, topic)
    tps = [TopicPartition(name, p) for p in range(settings.partitions)]
    async with clients.reader(settings.kafka) as consumer:
        consumer.assign(tps)
        return dict(await consumer.end_offsets(tps))


async def records(settings: Settings, topic: str) -> AsyncIterator[Any]:
    """Yield all committed records of a topic (full name), partition by partition."""
    async with clients.reader(settings.kafka) as consumer:
        for p in range(settings.partitions):
            tp = TopicPartition(topic, p)
            consumer.assign([tp])
            begin = (await consumer.beginning_offsets([tp]))[tp]
            end = (await consumer.end_offsets([tp]))[tp]
            async for batch in clients.read_to(consumer, tp, begin, end):
                for record in batch:
                    yield record


async def reflected(
    settings: Settings, api: httpx.AsyncClient, model: Model, seconds: float
) -> None:
    """Wait until all that was sent is admitted and folded: ``?after=`` of the last offsets."""
    tenant_in: dict[int, str] = {}
    for tenant, _, _ in sorted(model.seen):
        tenant_in.setdefault(partition_of(tenant, settings.partitions), tenant)
    async with asyncio.timeout(seconds):
        for topic in (topology.TENANT_COMMANDS, topology.AGENT_MESSAGES):
            for tp, end in sorted((await _ends(settings, topic)).items()):
                while end:
                    answer = await api.get(
                        f"/v1/tenants/{tenant_in[tp.partition]}/budgets",
                        params={"after": f"{topic}:{tp.partition}:{end - 1}", "wait_ms": 20_000},
                    )
                    if answer.status_code == 200:
                        break
                    # 504: not yet; 503: a take-over is on.
                    assert answer.status_code in (502, 503, 504), answer.text
                    await asyncio.sleep(0.2)


async def check_usage(apis: Sequence[httpx.AsyncClient], model: Model) -> list[str]:
    """Hold every tenant's usage against the model, asking all workers in turn."""
    wrong: list[str] = []
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(index: int, tenant: str, view: str) -> None:
        params = {"period": view.split()[0]}
        if view == "day by model":
            params["group_by"] = "model"
        async with gate:
            answer = await apis[index % len(apis)].get(f"/v1/tenants/{tenant}/usage", params=params)
        if answer.status_code != 200:
            wrong.append(f"usage of {tenant} by {view}: {answer.status_code} {answer.text}")
            return
        found = {
            (bucket["start"], bucket["group"] and bucket["group"]["model"]): bucket
            for bucket in answer.json()["buckets"]
        }
        expected = model.usage[tenant, view]
        if found.keys() != expected.keys():
            difference = found.keys() ^ expected.keys()
            wrong.append(f"usage of {tenant} by {view}: other periods or groups: {difference}")
        for key in found.keys() & expected.keys():
            for name, value in expected[key].items():
                want = plain(value) if name in MONEY else value
                if found[key][name] != want:
                    wrong.append(
                        f"usage of {tenant} by {view} {key}: {name} is {found[key][name]}, "
                        f"must be {want}"
                    )
            if found[key]["late_events"]:
                wrong.append(f"usage of {tenant} by {view} {key}: late events")

    await asyncio.gather(
        *(one(i, tenant, view) for i, (tenant, view) in enumerate(sorted(model.usage)))
    )
    return wrong


async def check_alerts(settings: Settings, model: Model) -> list[str]:
    """Every alert once, in order, with its figure and its cause; none that must not be."""
    wrong: list[str] = []
    ids: Counter[str] = Counter()
    event_ids: Counter[str] = Counter()
    found: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    unpriced: list[tuple[str, str, str, str]] = []
    async for record in records(settings, topology.name(settings, topology.BUDGET_ALERTS)):
        data = msgspec.json.decode(record.value)
        ids[data["alert_id"]] += 1
        event_ids[dict(record.headers)["ce_id"].decode()] += 1
        if data["type"] == "usage.unpriced":
            unpriced.append((data["tenant"], data["provider"], data["model"], data["period_start"]))
            continue
        found[data["tenant"], data["budget_id"]].append(
            (
                data["period_start"],
                data["type"],
                data["threshold_percent"],
                data["spent_usd"],
                data["cause"]["source"],
                data["cause"]["id"],
            )
        )
    for name, counter in (("alert_id", ids), ("ce_id", event_ids)):
        if twice := [key for key, times in counter.items() if times > 1]:
            wrong.append(f"{len(twice)} alerts more than once by {name}: {twice[:3]}")
    expected = model.alerts()
    for key in sorted(found.keys() | expected.keys()):
        have, want = found.get(key, []), expected.get(key, [])
        if have != want:
            wrong.append(
                f"alerts of {key}: missing {[a for a in want if a not in have][:3]}, too many "
                f"{[a for a in have if a not in want][:3]}, {len(have)} instead of {len(want)}"
            )
    # One a day of log time, and the run may have seen midnight.
    days = {day for *_, day in unpriced}
    if len(unpriced) != len(set(unpriced)) or {u[:3] for u in unpriced} != model.unpriced:
        wrong.append(f"unpriced alerts: {len(unpriced)} of {len(model.unpriced)} expected")
    now = datetime.now(UTC).date()  # noqa: TID251
    if any(abs((now - datetime.fromisoformat(day).date()).days) > 1 for day in days):
        wrong.append(f"unpriced alerts of other days than the run's: {days}")
    return wrong


async def check_audit(settings: Settings, model: Model) -> list[str]:
    """Each command has exactly one audit record, and it says done."""
    wrong = []
    found: Counter[tuple[str, str]] = Counter()
    async for record in records(settings, topology.name(settings, topology.TENANT_AUDIT)):
        data = msgspec.json.decode(record.value)
        found[data["tenant"], data["target"]["id"]] += 1
        if (data["action"], data["outcome"]) != ("budget.set", "done"):
            wrong.append(f"audit: {data}")
    if found != Counter(model.commands):
        more, less = found - Counter(model.commands), Counter(model.commands) - found
        wrong.append(f"audit records: too many {more}, missing {less}")
    return wrong


async def check_digests(settings: Settings, apis: Sequence[httpx.AsyncClient]) -> list[str]:
    """The changelog alone gives each partition's state; all run, none lags."""
    wrong = []
    status: dict[int, dict[str, Any]] = {}
    for api in apis:
        for item in (await api.get("/v1/partitions", params={"digest": "true"})).json()["items"]:
            status[item["partition"]] = item
    if set(status) != set(range(settings.partitions)):
        wrong.append(f"partitions {sorted(status)} are owned, of {settings.partitions}")
    for partition, item in sorted(status.items()):
        if item["state"] != "running" or item["lag"] > 20:
            wrong.append(f"partition {partition}: {item}")
        rebuilt = await rebuilt_digest(settings, partition)
        if rebuilt != item["digest"]:
            wrong.append(f"partition {partition}: the changelog gives {rebuilt}, not {item}")
    return wrong


async def check_positions(settings: Settings) -> list[str]:
    """Committed offsets are the inputs' ends, and no committed position ever went back."""
    wrong = []
    async with clients.admin(settings.kafka) as admin:
        for topic in (topology.AGENT_MESSAGES, topology.TENANT_COMMANDS):
            ends = await _ends(settings, topic)
            committed = await admin.list_consumer_group_offsets(
                settings.admit_group, partitions=list(ends)
            )
            wrong += [
                f"admit committed {committed[tp].offset} of {tp}, which ends at {end}"
                for tp, end in ends.items()
                if end and committed[tp].offset != end
            ]
        # Ticks go on: what was there a moment ago is committed by now.
        ends = await _ends(settings, topology.TENANT_LOG)
        async with asyncio.timeout(20):
            while True:
                committed = await admin.list_consumer_group_offsets(
                    settings.group, partitions=list(ends)
                )
                if all(committed[tp].offset >= end for tp, end in ends.items()):
                    break
                await asyncio.sleep(0.2)
    last: dict[int, int] = {}
    async for record in records(settings, topology.name(settings, topology.changelog(settings))):
        if record.key == positions.SOURCE_KEY:
            source = msgspec.msgpack.decode(record.value, type=positions.Source)
            if source.offset <= last.get(record.partition, -1):
                wrong.append(
                    f"partition {record.partition} went from {last[record.partition]} "
                    f"to {source.offset} at {record.offset} of the changelog"
                )
            last[record.partition] = source.offset
    return wrong


async def check_dead_letters(settings: Settings) -> list[str]:
    """Nothing of the input was refused."""
    return [
        f"{end} records in {tp}"
        for topic in topology.INPUTS
        for tp, end in (await _ends(settings, topology.dlq(topic))).items()
        if end
    ]


async def check_databases(settings: Settings, fleet: Fleet) -> list[str]:
    """After all have stopped: the last owner's database is what the topics alone give.

    Compares everything, fences and identities too, but the position in the changelog.
    """
    wrong = []
    log = topology.name(settings, topology.TENANT_LOG)
    for partition in range(settings.partitions):
        folders = [w.folder / f"{log}-{partition}" for w in fleet.workers.values()]
        states = [_rows(folder) for folder in folders if folder.exists()]
        live = max(states, key=lambda rows: _offset(rows))
        with tempfile.TemporaryDirectory(prefix="streams-check-") as folder:
            db = open_database(Path(folder) / "state")
            await _rebuild(settings, partition, db)
            rebuilt = _all(db)
            db.close()
        if live != rebuilt:
            keys = [k for k in live.keys() | rebuilt.keys() if live.get(k) != rebuilt.get(k)]
            kinds = Counter(key[:3] for key in keys)
            wrong.append(f"partition {partition}: database and topics differ: {dict(kinds)}")
    return wrong


async def _rebuild(settings: Settings, partition: int, db: Rdict) -> None:
    changelog = topology.name(settings, topology.changelog(settings))
    dedupe = topology.name(settings, topology.TENANT_DEDUPE)
    inquiry = Inquiry(settings.kafka)
    await inquiry.start()
    try:
        await recovery.replay_changelog(inquiry, TopicPartition(changelog, partition), db)
        window = (positions.read_config(db) or DEFAULT_CONFIG).dedupe_hours * HOUR
        await recovery.replay_dedupe(inquiry, TopicPartition(dedupe, partition), db, window)
    finally:
        await inquiry.stop()


def _rows(folder: Path) -> dict[bytes, bytes]:
    db = open_database(folder)
    try:
        return _all(db)
    finally:
        db.close()


def _all(db: Rdict) -> dict[bytes, bytes]:
    rows: dict[bytes, bytes] = dict(db.items())
    rows.pop(positions.CHANGELOG_KEY, None)
    rows.pop(positions.DEDUPE_POSITION_KEY, None)
    return rows


def _offset(rows: dict[bytes, bytes]) -> int:
    value = rows.get(positions.SOURCE_KEY)
    return -1 if value is None else msgspec.msgpack.decode(value, type=positions.Source).offset
