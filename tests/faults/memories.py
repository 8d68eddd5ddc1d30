"""What must hold of memories at the end of a fault run: each is there once, as last written."""

from collections import Counter
from typing import Any

import msgspec

from streams import topology
from streams.settings import Settings
from tests.faults.checks import records
from tests.faults.forgetting import TENANTS as FORGETFUL
from tests.faults.model import Model
from tests.faults.wrong import Wrong


async def check_memories(settings: Settings, model: Model) -> list[Wrong]:
    """Hold the last committed record of every memory against the model.

    A revision is the number of times that a memory was written: one too many is a message that was
    folded twice, one too few is a lost one.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    ids: Counter[bytes] = Counter()
    async for _, record in records(settings, topology.name(settings, topology.MEMORY_RECORDS)):
        tenant, _, memory_id = record.key.decode().partition("/")
        ids[dict(record.headers)["ce_id"]] += 1
        if tenant in FORGETFUL:
            continue
        found[tenant, memory_id] = msgspec.json.decode(record.value)
    return [*_twice(ids), *_other(found, model), *_tiers(found, settings.working_limit)]


def _twice(ids: Counter[bytes]) -> list[Wrong]:
    twice = [key for key, times in ids.items() if times > 1]
    return [Wrong(f"{len(twice)} memory records more than once: {twice[:3]}")] if twice else []


def _other(found: dict[tuple[str, str], dict[str, Any]], model: Model) -> list[Wrong]:
    wrong: list[Wrong] = []
    for key in sorted(found.keys() | model.memories.keys()):
        have, want = found.get(key), model.memories.get(key)
        if have is None or want is None:
            what = f"memory {key}: {'missing' if have is None else 'nobody wrote it'}"
            wrong.append(Wrong(what, int(have is None), int(want is None)))
            continue
        revision, content, agent = have["revision"], have["content"], have["agent"]
        if revision != want.revision:
            change = revision - want.revision
            what = f"memory {key}: revision {revision}, must be {want.revision}"
            wrong.append(Wrong(what, max(0, -change), max(0, change)))
        if (content, agent) != (want.content, want.agent):
            what = f"memory {key}: {(content, agent)}, must be {(want.content, want.agent)}"
            wrong.append(Wrong(what))
    return wrong


def _tiers(found: dict[tuple[str, str], dict[str, Any]], limit: int) -> list[Wrong]:
    """An agent's working memory is as full as it can be, and no fuller."""
    all_of: Counter[tuple[str, str]] = Counter()
    working: Counter[tuple[str, str]] = Counter()
    for (tenant, _), memory in found.items():
        agent = tenant, memory["agent"]
        all_of[agent] += 1
        working[agent] += memory["tier"] == "working"
    return [
        Wrong(f"{working[agent]} of {count} memories of {agent} are working")
        for agent, count in sorted(all_of.items())
        if working[agent] != min(limit, count)
    ]
