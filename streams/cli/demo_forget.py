"""What the demo shows of merging and forgetting: memories become one, and a subject is erased."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from streams.cli.client import Client
from streams.cli.demo_memory import TENANT, WAIT_MS, tell
from streams.core.errors import StreamsError

AGENT = "yard"
SUBJECT = "driver-17"
SAID = tuple(f"Robot {n} moved {7 * n} boxes from dock {n % 3} in {40 + n} s." for n in range(1, 9))
"""Of one template: they become one memory that keeps all values."""
NAMED = ("asked for a later slot at the gate.", "has parked in the wrong bay twice.")


class _Memory(msgspec.Struct):
    content: str
    kind: str = "observed"
    sources: list[str] = []
    subject: str | None = None


class _Memories(msgspec.Struct):
    items: list[_Memory]


class _Audit(msgspec.Struct):
    outcome: str
    details: dict[str, Any]


def say(client: Client) -> None:
    """Say it all, and wait until it is remembered."""
    bodies = [{"content": each, "agent": AGENT} for each in SAID]
    bodies += [{"content": f"The driver {t}", "agent": AGENT, "subject": SUBJECT} for t in NAMED]
    _memories(client, after=tell(client, bodies))


def merge(client: Client) -> str:
    """Have all be merged that says the same; tell what became of what was said."""
    began = time.monotonic()
    done = _command(client, "memory.consolidate", {})
    seconds = time.monotonic() - began
    members, groups = done.details["members"], done.details["groups"]
    merged = [each for each in _memories(client) if each.kind == "consolidated"]
    line = f"{members} memories of {TENANT} became {groups} in {seconds * 1000:.0f} ms"
    best = max(merged, key=lambda each: len(each.sources), default=None)
    return line if best is None else f"{line}, e.g. {len(best.sources)}: {best.content}"


def erase(client: Client) -> str:
    """Erase a subject; tell how it came out, and what is still found of it."""
    began = time.monotonic()
    data = {"subject": SUBJECT, "reason": "the demo's driver asked for it"}
    done = _command(client, "memory.erase", data)
    seconds = time.monotonic() - began
    left = sum(each.subject == SUBJECT for each in _memories(client))
    erased = done.details["erased"]
    return (
        f"erasing {SUBJECT} is {done.outcome} after {seconds * 1000:.0f} ms: "
        f"{erased} memories are gone, {left} still there"
    )


async def show(client: Client, note: Callable[[str], object]) -> bool:
    """Merge and erase while all else goes on; whether it was done, else why not is told."""
    try:
        await asyncio.to_thread(say, client)
        for step in (merge, erase):
            note(await asyncio.to_thread(step, client))
    except StreamsError as error:
        note(f"{TENANT} does not forget: {error}")
        return False
    return True


def _memories(client: Client, after: str | None = None) -> list[_Memory]:
    path = ("v1", "tenants", TENANT, "memories")
    answer = client.get(*path, agent=AGENT, limit=500, after=after, wait_ms=WAIT_MS)
    return msgspec.json.decode(answer, type=_Memories).items


def _command(client: Client, kind: str, data: Mapping[str, object]) -> _Audit:
    body = {"type": kind, "data": data}
    path = ("v1", "tenants", TENANT, "commands")
    answer = client.post(*path, body=body, wait="true", wait_ms=WAIT_MS)
    return msgspec.json.decode(answer, type=_Audit)
