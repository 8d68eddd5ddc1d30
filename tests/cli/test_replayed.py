"""Commands that read, asked with --data: the API's answers, out of a replay's folder."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agents.whole_log import TENANTS, whole_log

from streams.core.time import format_time
from streams.runtime.replay import Asked, replay
from streams.runtime.replayed_api import open_replayed
from streams.runtime.view import DatabaseReader
from streams.settings import Settings
from streams.usage.read import usage_report
from tests.runtime.replaying import FakeLog, Span

ONE = TENANTS[0]


@pytest.fixture(scope="module")
def was(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A replay of one partition, and of a control that nobody asked."""
    records = whole_log(1, 600)
    folder = tmp_path_factory.mktemp("replayed") / "was"

    class Log(FakeLog):
        async def spans(self, tp: Any) -> list[Span]:
            return [] if "control" in tp.topic else await super().spans(tp)

    asked = Asked(
        settings=Settings(partitions=1),
        sources=[Log([(Span(0, 0, len(records)), records)], batch=500)],
        snapshots=None,
        partitions=1,
    )
    asyncio.run(replay(asked, folder))
    return folder


@pytest.fixture(autouse=True)
def without_a_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMS_DATA", str(tmp_path))
    monkeypatch.setenv("STREAMS_EMBEDDER", "none")


Run = Callable[..., Any]


def body(ran: Any) -> Any:
    assert (ran.code, ran.err) == (0, "")
    return json.loads(ran.out)


def test_usage_is_what_the_rows_say(streams: Run, was: Path) -> None:
    found = body(streams("usage", ONE, "--group-by", "model", "--data", str(was), "--json"))
    db = open_replayed(was / "tenant.log.v1-0")
    log_time = max(raw.timestamp for raw in whole_log(1, 600)) * 1000
    kept: dict[str, Any] = {"start": None, "end": None}
    expected = usage_report(
        DatabaseReader(db), ONE, period="day", group_by="model", log_time=log_time, **kept
    )
    db.close()
    assert found == expected | {"as_of": format_time(log_time)}
    assert found["total"]["calls"] > 10
    assert body(streams("usage", "nobody", "--data", str(was), "--json"))["buckets"] == []


def test_search_by_words_says_so(streams: Run, was: Path) -> None:
    ran = streams("search", ONE, "hello", "--data", str(was), "--json")
    assert (ran.code, ran.err) == (0, "streams: no model here: found by words alone\n")
    found = json.loads(ran.out)
    assert found["results"]
    assert found["results"][0]["memory"]["tenant"] == ONE


def test_the_other_reads_too(streams: Run, was: Path) -> None:
    data = ("--data", str(was), "--json")
    assert body(streams("budget", ONE, *data))["items"]
    assert body(streams("quota", ONE, *data))["used_bytes"] > 0
    assert body(streams("jobs", ONE, *data))["items"]
    agents = [(tenant, agent) for tenant in TENANTS[:3] for agent in ("a1", "a1/é")]
    kept = {of: body(streams("state", "list", *of, *data))["items"] for of in agents}
    of, items = next((of, items) for of, items in kept.items() if items)
    one = body(streams("state", "get", *of, items[0]["key"], *data))
    assert one["version"] == items[0]["version"]
    assert "usage of" in streams("usage", ONE, "--data", str(was)).out
    missing = streams("state", "get", ONE, "a1", "no such key", *data)
    assert (missing.code, missing.err.count("\n")) == (1, 1)


def test_what_is_wrong_is_one_line(streams: Run, was: Path, tmp_path: Path) -> None:
    ran = streams("usage", ONE, "--data", str(tmp_path))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith("has no replay.json: it is not a whole `streams replay`\n")
    ran = streams("usage", ONE, "--data", str(was), "--api", "x")
    assert (ran.code, ran.err) == (2, "streams: --api and --data exclude each other\n")
    ran = streams("usage", ONE, "--data", str(was), "--from", "x")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
