"""What the demo shows of memory: things said to a tenant of the fleet, one found by a question."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import msgspec

from streams.cli.client import Client
from streams.cli.demo_view import View
from streams.cli.search import Found, parts_text
from streams.core.errors import StreamsError

AFTER = 5.0
"""Seconds of load after which something is said, and asked for."""

TENANT = "research"
WAIT_MS = 20_000
"""The first contents wait until the model is loaded."""
QUESTION = "why did the night run diverge?"
ANSWER = "demo-night-run"
SAID: dict[str, str] = {
    ANSWER: "The night run of lane-keeping diverged at epoch 12: the learning rate had doubled.",
    "demo-gate": "The quality gate of map-refresh failed, 3 of 400 tiles had no georeference.",
    "demo-disk": "Node gpu-3 ran out of disk while it wrote its checkpoint.",
    "demo-labels": "Labels of the parking set are done; two reviewers disagreed on 14 frames.",
}
"""By memory id."""


class _Place(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class _Accepted(msgspec.Struct):
    events: list[_Place]


def say(client: Client) -> str:
    """Say it all; return the place of the last, as ``after`` takes it."""
    return tell(
        client,
        [
            {"content": content, "memory_id": memory_id, "agent": "night-watch"}
            for memory_id, content in SAID.items()
        ],
    )


def tell(client: Client, bodies: Sequence[Mapping[str, object]]) -> str:
    """Send messages; return the place of the last."""
    place = ""
    for body in bodies:
        answer = client.post("v1", "tenants", TENANT, "messages", body=body)
        at = msgspec.json.decode(answer, type=_Accepted).events[0]
        place = f"{at.topic}:{at.partition}:{at.offset}"
    return place


def ask(client: Client, after: str | None = None) -> tuple[Found, float]:
    """Ask the question; return what is found, and the seconds that it took."""
    body = {"query": QUESTION, "limit": 1, "explain": True}
    path = ("v1", "tenants", TENANT, "memories", "search")
    began = time.monotonic()
    answer = client.post(*path, body=body, after=after, wait_ms=WAIT_MS)
    return msgspec.json.decode(answer, type=Found), time.monotonic() - began


def lines(found: Found, seconds: float) -> list[str]:
    """Tell what was found, and why."""
    asked = f'{TENANT} is asked "{QUESTION}": {seconds * 1000:.0f} ms'
    if not found.results:
        return [f"{asked}, nothing found"]
    best = found.results[0]
    why = parts_text(best.parts or {})
    return [f"{asked}, {best.memory.content}", f"its score {best.score:.2f} = {why}"]


async def show(client: Client, view: View, seconds: float | None) -> None:
    """Say something and find it by a question, while all else goes on."""
    await asyncio.sleep(AFTER if seconds is None else min(AFTER, seconds / 4))
    try:
        after = await asyncio.to_thread(say, client)
        found, took = await asyncio.to_thread(ask, client, after)
    except StreamsError as error:
        view.note(f"{TENANT} is not asked: {error}")
        return
    for line in lines(found, took):
        view.note(line)
