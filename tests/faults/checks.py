"""What must hold at the end of a fault run. Each check returns what is wrong, in words."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import msgspec
from aiokafka import TopicPartition

from streams import topology
from streams.core.ids import partition_of
from streams.runtime import clients, positions
from streams.settings import Settings
from tests.faults.forgetting import TENANTS as FORGETFUL
from tests.faults.model import MONEY, Group, Model, plain
from tests.faults.wrong import Wrong

AT_ONCE = 6
CONTROL = -1
"""The control partition, among those of the tenant log."""
VIEWS = ("hour", "day", "day by model")


@dataclass(frozen=True)
class Told:
    """What an owner told of its partition."""

    offset: int
    """Of the log: ticks go on after it, and may change rows."""
    digest: str


async def _ends(settings: Settings, topic: str) -> dict[TopicPartition, int]:
    name = topology.name(settings, topic)
    tps = [TopicPartition(name, p) for p in range(settings.partitions)]
    async with clients.reader(settings.kafka) as consumer:
        consumer.assign(tps)
        return dict(await consumer.end_offsets(tps))


async def records(
    settings: Settings, topic: str, partitions: int | None = None
) -> AsyncIterator[tuple[int, Any]]:
    """Yield all committed records of a topic (full name), each with its partition."""
    async with clients.reader(settings.kafka) as consumer:
        for p in range(partitions or settings.partitions):
            tp = TopicPartition(topic, p)
            consumer.assign([tp])
            begin = (await consumer.beginning_offsets([tp]))[tp]
            end = (await consumer.end_offsets([tp]))[tp]
            async for batch in clients.read_to(consumer, tp, begin, end):
                for record in batch:
                    yield p, record


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


async def settled(apis: Sequence[httpx.AsyncClient], seconds: float) -> None:
    """Read all rows once, so that damage is noticed, and wait until all is taken over again."""
    async with asyncio.timeout(seconds):
        for api in apis:
            good = 0
            while good < 2:
                answer = await api.get("/v1/partitions", params={"digest": "true", "local": "true"})
                ready = (await api.get("/readyz")).status_code == 200
                good = good + 1 if answer.status_code == 200 and ready else 0
                await asyncio.sleep(0.2)


async def check_usage(apis: Sequence[httpx.AsyncClient], model: Model) -> list[Wrong]:
    """Hold every tenant's usage against the model, asking all workers in turn."""
    wrong: list[Wrong] = []
    gate = asyncio.Semaphore(AT_ONCE)
    usage = model.usage()

    async def one(index: int, tenant: str, view: str) -> None:
        params = {"period": view.split()[0]}
        if view == "day by model":
            params["group_by"] = "model"
        async with gate:
            answer = await apis[index % len(apis)].get(f"/v1/tenants/{tenant}/usage", params=params)
        if answer.status_code != 200:
            what = f"usage of {tenant} by {view}: {answer.status_code} {answer.text}"
            wrong.append(Wrong(what))
            return
        found = {
            (bucket["start"], bucket["group"] and bucket["group"]["model"]): bucket
            for bucket in answer.json()["buckets"]
            # What is stored counts in the hours that pass, of which a run sees few.
            if bucket["calls"] or bucket["adjusted_usd"] != "0" or bucket["embeddings"]
        }
        expected = usage[tenant, view]
        if found.keys() != expected.keys():
            difference = found.keys() ^ expected.keys()
            wrong.append(
                Wrong(f"usage of {tenant} by {view}: other periods or groups: {difference}")
            )
        if view == VIEWS[0]:
            wrong.extend(_miscounted(tenant, found, expected))
        for key in found.keys() & expected.keys():
            for name, value in expected[key].items():
                want = plain(value) if name in MONEY else value
                if found[key][name] != want:
                    what = f"{name} is {found[key][name]}, must be {want}"
                    wrong.append(Wrong(f"usage of {tenant} by {view} {key}: {what}"))

    await asyncio.gather(*(one(i, tenant, view) for i, (tenant, view) in enumerate(sorted(usage))))
    return wrong


def _miscounted(
    tenant: str, found: dict[Group, dict[str, Any]], expected: dict[Group, dict[str, Any]]
) -> Iterator[Wrong]:
    for key in sorted(found.keys() | expected.keys()):
        have = found[key]["calls"] if key in found else 0
        want = expected[key]["calls"] if key in expected else 0
        if have != want:
            lost, double = max(0, want - have), max(0, have - want)
            what = f"{lost} calls are lost, {double} counted twice"
            yield Wrong(f"usage of {tenant} in the hour of {key[0]}: {what}", lost, double)


async def check_alerts(settings: Settings, model: Model) -> list[Wrong]:
    """Every alert once, in order, with its figure and its cause; none that must not be."""
    wrong: list[Wrong] = []
    ids: Counter[str] = Counter()
    event_ids: Counter[str] = Counter()
    found: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    unpriced: list[tuple[str, str, str, str]] = []
    async for _, record in records(settings, topology.name(settings, topology.BUDGET_ALERTS)):
        data = msgspec.json.decode(record.value)
        ids[data["alert_id"]] += 1
        event_ids[dict(record.headers)["ce_id"].decode()] += 1
        if data["type"] == "usage.unpriced":
            unpriced.append((data["tenant"], data["provider"], data["model"], data["period_start"]))
            continue
        if data["type"] == "budget.forecast.exceeded":
            # When one is due depends on when Kafka appended; that each comes once, on its id.
            if Decimal(data["forecast_usd"]) <= Decimal(data["limit_usd"]):
                wrong.append(Wrong(f"a forecast that is not above the limit: {data}"))
            continue
        if data["type"] == "budget.corrected":
            # Of closed periods; at most one an hour of log time, as its id says.
            if not data["late"]:
                wrong.append(Wrong(f"a correction of an open period: {data}"))
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
            what = f"{len(twice)} alerts more than once by {name}: {twice[:3]}"
            wrong.append(Wrong(what, double=len(twice) if name == "alert_id" else 0))
    expected = model.alerts()
    for key in sorted(found.keys() | expected.keys()):
        have, want = found.get(key, []), expected.get(key, [])
        if have != want:
            missing = [a for a in want if a not in have]
            too_many = [a for a in have if a not in want]
            what = (
                f"alerts of {key}: missing {missing[:3]}, too many {too_many[:3]}, "
                f"{len(have)} instead of {len(want)}"
            )
            wrong.append(Wrong(what, len(missing), len(too_many)))
    # One a day of log time, and the run may have seen midnight.
    days = {day for *_, day in unpriced}
    if len(unpriced) != len(set(unpriced)) or {u[:3] for u in unpriced} != model.unpriced:
        wrong.append(Wrong(f"unpriced alerts: {len(unpriced)} of {len(model.unpriced)} expected"))
    now = datetime.now(UTC).date()  # noqa: TID251
    if any(abs((now - datetime.fromisoformat(day).date()).days) > 1 for day in days):
        wrong.append(Wrong(f"unpriced alerts of other days than the run's: {days}"))
    return wrong


async def check_audit(settings: Settings, model: Model) -> list[Wrong]:
    """Each command has exactly one audit record, and so has what is told once; see `check_quotas`.

    The month of a late event has its statement when its grace is over: perhaps in this run.
    """
    wrong: list[Wrong] = []
    found: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    async for _, record in records(settings, topology.name(settings, topology.TENANT_AUDIT)):
        data = msgspec.json.decode(record.value)
        if data["tenant"] in FORGETFUL:
            continue
        found[data["action"]][data["tenant"], data["target"]["id"]] += 1
        if data["outcome"] != "done" and not data["action"].startswith("quota."):
            wrong.append(Wrong(f"audit: {data}"))
    expected = {
        "budget.set": Counter(model.commands),
        "tenant.set": Counter((tenant, tenant) for tenant in model.zones),
        "usage.adjusted": Counter(model.adjusted),
    }
    for action, wanted in expected.items():
        more, less = found[action] - wanted, wanted - found[action]
        if more or less:
            what = f"audit records of {action}: too many {more}, missing {less}"
            wrong.append(Wrong(what, less.total(), more.total()))
    for action in ("event.late", "usage.statement"):
        if twice := [key for key, times in found[action].items() if times > 1]:
            wrong.append(Wrong(f"{action} more than once: {twice[:3]}", double=len(twice)))
    if missing := model.late - found["event.late"].keys():
        wrong.append(Wrong(f"late periods that were not told: {sorted(missing)[:3]}"))
    known = {*expected, "event.late", "usage.statement", "quota.granted", "quota.rejected"}
    if others := found.keys() - known:
        wrong.append(Wrong(f"audit records of other actions: {sorted(others)}"))
    return wrong


async def check_owners(
    settings: Settings, apis: Sequence[httpx.AsyncClient], told: dict[int, Told]
) -> list[Wrong]:
    """Every partition has one owner, runs and does not lag; notes what the owners told."""
    wrong: list[Wrong] = []
    params = {"digest": "true", "local": "true"}
    for api in apis:
        answer = (await api.get("/v1/partitions", params=params)).json()
        # The control partition is one more, below all others.
        control = [answer["control"] | {"partition": CONTROL}] if answer["control"] else []
        for item in answer["items"] + control:
            if item["partition"] in told:
                wrong.append(Wrong(f"partition {item['partition']} has a second owner: {item}"))
            if item["state"] != "running" or item["lag"] > 20:
                wrong.append(Wrong(f"partition {item['partition']}: {item}"))
            told[item["partition"]] = Told(item["offset"], item["digest"])
    if set(told) != {CONTROL, *range(settings.partitions)}:
        wrong.append(Wrong(f"partitions {sorted(told)} are owned, of {settings.partitions}"))
    return wrong


async def check_positions(settings: Settings) -> list[Wrong]:
    """Committed offsets are the inputs' ends, and no committed position ever went back."""
    wrong: list[Wrong] = []
    async with clients.admin(settings.kafka) as admin:
        for topic in (topology.AGENT_MESSAGES, topology.TENANT_COMMANDS):
            ends = await _ends(settings, topic)
            committed = await admin.list_consumer_group_offsets(
                settings.admit_group, partitions=list(ends)
            )
            wrong += [
                Wrong(f"admit committed {committed[tp].offset} of {tp}, which ends at {end}")
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
    changelog = topology.name(settings, topology.changelog(settings))
    async for partition, record in records(settings, changelog):
        if record.key == positions.SOURCE_KEY:
            source = msgspec.msgpack.decode(record.value, type=positions.Source)
            if source.offset <= last.get(partition, -1):
                what = (
                    f"partition {partition} went from {last[partition]} "
                    f"to {source.offset} at {record.offset} of the changelog"
                )
                wrong.append(Wrong(what))
            last[partition] = source.offset
    return wrong


async def check_dead_letters(settings: Settings) -> list[Wrong]:
    """Nothing of the input was refused."""
    return [
        Wrong(f"{end} records in {tp}", lost=end)
        for topic in topology.INPUTS
        for tp, end in (await _ends(settings, topology.dlq(topic))).items()
        if end
    ]
