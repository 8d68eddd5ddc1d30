"""What must hold in the end of memories that were merged, held, split and erased under faults."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from streams import topology
from streams.settings import Settings
from tests.faults.checks import records
from tests.faults.forgetting import FIRST, TENANTS, Forgotten
from tests.faults.wrong import Wrong

SETTLE_S = 120.0
"""Ticks remove what is erased part by part."""
ACTIONS = {
    *("memory.consolidated", "memory.split", "memory.erased", "memory.expired"),
    *("hold.set", "hold.released", "retention.set"),
}
"""Of audit records that are held against commands here."""
_TOLD_AS = {
    "memory.consolidate": "memory.consolidated",
    "memory.split": "memory.split",
    "memory.erase": "memory.erased",
    "hold.set": "hold.set",
    "hold.release": "hold.released",
    "retention.set": "retention.set",
}
_NUMBER = re.compile(rf"(?<!\d)1\d{{{len(str(FIRST)) - 1}}}(?!\d)")
Records = dict[str, dict[str, Any]]


async def consolidated(apis: Sequence[httpx.AsyncClient]) -> list[tuple[str, str]]:
    """Tenant and id of consolidated memories that somebody serves now."""
    found = []
    for tenant in TENANTS:
        for api in apis:
            path, params = f"/v1/tenants/{tenant}/memories", {"limit": 200}
            try:
                answer = await api.get(path, params=params, timeout=3)
            except httpx.HTTPError:
                continue
            if answer.status_code == 200:
                items = answer.json()["items"]
                found += [(tenant, r["id"]) for r in items if r["kind"] == "consolidated"]
                break
    return found


async def check_forgetting(
    settings: Settings, api: httpx.AsyncClient, forgotten: Forgotten, figures: dict[str, object]
) -> list[Wrong]:
    """Each memory is there once, as last written, or was erased and is nowhere."""
    wrong: list[Wrong] = []
    until = time.monotonic() + SETTLE_S
    while True:
        sent = await _compacted(settings)
        lists = {tenant: await _listed(api, tenant) for tenant in TENANTS}
        if time.monotonic() > until or all(sent[tenant] == lists[tenant] for tenant in TENANTS):
            break
        await asyncio.sleep(0.5)
    archived = {tenant: await _listed(api, tenant, "archived") for tenant in TENANTS}
    for tenant in TENANTS:
        if sent[tenant] != lists[tenant]:
            both = {*sent[tenant], *lists[tenant]}
            others = [i for i in both if sent[tenant].get(i) != lists[tenant].get(i)]
            pairs = [(i, sent[tenant].get(i), lists[tenant].get(i)) for i in sorted(others)[:5]]
            told = "; ".join(f"{i}: {_differing(here, there)}" for i, here, there in pairs)
            wrong.append(Wrong(f"{tenant}: topic and list differ: {told}"))
        wrong += other(tenant, lists[tenant], archived[tenant], forgotten)
        wrong += await _found(api, tenant, forgotten)
    wrong += await _audit(settings, forgotten)
    splits = [event for event in forgotten.commands if event.type == "memory.split"]
    figures |= {
        "split": len(splits),
        "merged": sum(map(len, archived.values())),
        "erased": sum(forgotten.erased(*key, said) for key, said in forgotten.said.items()),
    }
    return wrong


def _differing(sent: dict[str, Any] | None, listed: dict[str, Any] | None) -> str:
    """What a record says on the topic and in the list, where they differ."""
    if sent is None or listed is None:
        return "only in the list" if sent is None else "only on the topic"
    return ", ".join(
        f"{name} {sent.get(name)} and {listed.get(name)}"
        for name in sorted({*sent, *listed})
        if sent.get(name) != listed.get(name)
    )


def other(tenant: str, listed: Records, archived: Records, forgotten: Forgotten) -> list[Wrong]:
    """Hold lists against what was sent."""
    wrong: list[Wrong] = []
    made = {name: r for name, r in listed.items() if r["kind"] == "consolidated"}
    found = {name: r for name, r in listed.items() if name not in made} | archived
    left = forgotten.left(tenant)
    if missing := sorted(left.keys() - found.keys()):
        wrong.append(Wrong(f"{tenant}: memories are missing: {missing[:5]}", lost=len(missing)))
    if more := sorted(found.keys() - left.keys()):
        wrong.append(Wrong(f"{tenant}: erased or unknown: {more[:5]}", double=len(more)))
    for name in sorted(left.keys() & found.keys()):
        have, want = found[name], left[name]
        if (have["content"], have["subject"]) != (want.content, want.subject):
            wrong.append(Wrong(f"{tenant}: {name} is {have}, must be {want}"))
        if change := have["revision"] - want.revision:
            what = f"{tenant}: {name} has revision {have['revision']}, must be {want.revision}"
            wrong.append(Wrong(what, max(0, -change), max(0, change)))
        ttl = have["ttl_seconds"]
        if ttl not in (forgotten.ttl.get(tenant), 30 * 24 * 3600):
            wrong.append(Wrong(f"{tenant}: {name} is kept for {ttl} s"))
    sources = Counter(each for r in made.values() for each in r["sources"])
    if sources != Counter(archived.keys()):
        wrong.append(Wrong(f"{tenant}: members of merges are not the archived ones: {sources}"))
    alive = {number for said in left.values() for number in _NUMBER.findall(said.content)}
    told = {
        n for r in (*listed.values(), *archived.values()) for n in _NUMBER.findall(r["content"])
    }
    if told - alive:
        wrong.append(Wrong(f"{tenant}: what is gone is still said: {sorted(told - alive)[:5]}"))
    return wrong


async def _found(api: httpx.AsyncClient, tenant: str, forgotten: Forgotten) -> list[Wrong]:
    """Ask for what is gone."""
    left = forgotten.left(tenant)
    gone = [(n, s) for (t, n), s in forgotten.said.items() if t == tenant and n not in left]
    wrong = []
    for name, said in gone[:: max(1, len(gone) // 10)]:
        body = {"query": said.content, "limit": 100, "explain": True}
        answer = await api.post(f"/v1/tenants/{tenant}/memories/search", json=body)
        text = answer.text
        if answer.status_code != 200 or _NUMBER.findall(said.content)[0] in text:
            wrong.append(Wrong(f"{tenant}: {name} is erased, and found: {text[:500]}"))
        answer = await api.get(f"/v1/tenants/{tenant}/memories/{name}")
        if answer.status_code != 404:
            wrong.append(Wrong(f"{tenant}: {name} is erased, and there: {answer.text[:500]}"))
    return wrong


async def _listed(api: httpx.AsyncClient, tenant: str, tier: str | None = None) -> Records:
    found: Records = {}
    params: dict[str, Any] = {"limit": 500} | ({} if tier is None else {"tier": tier})
    while True:
        answer = await api.get(f"/v1/tenants/{tenant}/memories", params=params)
        if answer.status_code in (502, 503, 504):
            await asyncio.sleep(0.2)
            continue
        body = answer.raise_for_status().json()
        found |= {record["id"]: record for record in body["items"]}
        if not body.get("next"):
            return found
        params["cursor"] = body["next"]


async def _compacted(settings: Settings) -> dict[str, Records]:
    """What a compacted topic keeps: the last record of each key."""
    found: dict[str, Records] = {tenant: {} for tenant in TENANTS}
    async for _, record in records(settings, topology.name(settings, topology.MEMORY_RECORDS)):
        tenant, _, memory_id = record.key.decode().partition("/")
        if tenant not in found:
            continue
        if record.value is None:
            found[tenant].pop(memory_id, None)
        else:
            found[tenant][memory_id] = msgspec.json.decode(record.value)
    return found


async def _audit(settings: Settings, forgotten: Forgotten) -> list[Wrong]:
    """Each command is done once, or rejected; what expired is told once."""
    told: Counter[tuple[str, str]] = Counter()
    expired: Counter[tuple[str, str]] = Counter()
    async for _, record in records(settings, topology.name(settings, topology.TENANT_AUDIT)):
        data = msgspec.json.decode(record.value)
        tenant, action, target = data["tenant"], data["action"], data["target"]
        if tenant not in TENANTS or action not in ACTIONS or data["outcome"] == "deferred":
            continue
        if action == "memory.expired":
            expired[tenant, target["id"]] += 1
        elif not (
            (action == "memory.consolidated" and target["kind"] == "memory")
            or data["error"] == "erased"
        ):
            told[tenant, action] += 1
    wanted = Counter((event.tenant, _TOLD_AS[event.type]) for event in forgotten.commands)
    wrong = []
    if told != wanted:
        more, less = told - wanted, wanted - told
        what = f"audit of memories: too many {more}, missing {less}"
        wrong.append(Wrong(what, less.total(), more.total()))
    # What is erased before it comes is told as such.
    must = {key for key, said in forgotten.due.items() if not forgotten.erased(*key, said)}
    if missing := must - expired.keys():
        wrong.append(Wrong(f"{len(missing)} memories were due, and not told", len(missing)))
    if twice := [key for key, times in expired.items() if times > 1 or key not in forgotten.due]:
        wrong.append(Wrong(f"expired, told twice or not due: {twice[:5]}", double=len(twice)))
    return wrong
