"""`streams replay` beside a running installation builds what the live state is, or was."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from msgspec import structs

from streams.core.ids import partition_of
from streams.core.rows import decode_row, encode_row, tenant_key
from streams.core.time import format_time
from streams.memory.rows import CountRow
from streams.runtime import positions
from streams.runtime.digest import digest
from streams.runtime.fold_jobs import fold_job
from streams.runtime.view import open_database, scan_raw
from streams.settings import Settings
from streams.topology import TENANT_LOG
from tests.runtime.replaying import naive

from .system import System, running

pytestmark = pytest.mark.deep
TENANTS = ("t1", "t2", "t3", "t4", "t5")
EVENTS = 120


@pytest.fixture
async def system(settings: Settings, producer: AIOKafkaProducer) -> AsyncIterator[System]:
    """Without ticks: once all is folded, nothing moves."""
    still = structs.replace(settings, tick_seconds=3600.0, working_limit=20)
    async with running(still, producer, folds=2) as own:
        yield own


def lines(start: int, tenant: str) -> bytes:
    """Metered messages that are memories, each fifth sent twice; budgets, an agent's state."""
    usage = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
    said = [
        {"content": f"part {n} of lane {n % 7}", "usage": usage | {"gen_ai.usage.input_tokens": n}}
        for n in range(start, start + EVENTS)
    ]
    events: list[dict[str, Any]] = [
        {"type": "agent.message", "id": str(start + n), "data": data} for n, data in enumerate(said)
    ]
    events += events[::5]
    budget = {"budget_id": "b", "limit_usd": "0.01", "period": "day"}
    events.append({"type": "budget.set", "data": budget})
    events.append({"type": "state.set", "data": {"agent": "a", "key": "at", "value": start}})
    return b"\n".join(msgspec.json.encode(event | {"tenant": tenant}) for event in events)


async def load(system: System, start: int) -> None:
    await system.done("send", "-", "--wait", stdin=b"\n".join(lines(start, t) for t in TENANTS))


async def live(system: System) -> dict[tuple[str, int], tuple[int, str]]:
    """Offset and digest of every partition, once nothing moves."""
    found: list[dict[tuple[str, int], tuple[int, str]]] = [{}, {}]
    while found[-1] != found[-2] or not found[-1]:
        answer = await system.http.get(f"{system.api}/v1/partitions", params={"digest": "true"})
        body = answer.json()
        items = [*body["items"], body["control"]]
        found.append({(p["topic"], p["partition"]): (p["offset"], p["digest"]) for p in items})
        await asyncio.sleep(0.3)
    return found[-1]


def built(folder: Path, replayed: Any) -> dict[tuple[str, int], tuple[int, str]]:
    found = {}
    for each in replayed["partitions"]:
        db = open_database(folder / f"{each['topic']}-{each['partition']}")
        found[each["topic"], each["partition"]] = (each["offset"], digest(db.iter()).hex)
        db.close()
    return found


async def test_what_was_and_what_is(system: System, tmp_path: Path) -> None:
    await load(system, 0)
    await system.done("snapshot", "now")
    await load(system, EVENTS)
    now = await live(system)
    whole = await system.done("replay", "--to", str(tmp_path / "zero"), "--from-zero")
    assert built(tmp_path / "zero", whole) == now
    assert {each["begun_from"] for each in whole["partitions"]} == {"zero"}
    rest = await system.done("replay", "--to", str(tmp_path / "rest"))
    assert built(tmp_path / "rest", rest) == now
    assert all(each["begun_from"].endswith(".json") for each in rest["partitions"])
    assert sum(p["records"] for p in rest["partitions"]) < sum(
        p["records"] for p in whole["partitions"]
    )
    # What is asked of it is what the API answers.
    data = ("--data", str(tmp_path / "rest"))
    asked = {
        ("usage", "t1", "--period", "hour"): await system.get("t1", "usage", period="hour"),
        ("budget", "t2"): await system.get("t2", "budgets"),
        ("search", "t5", "lane 3", "--explain"): (
            await system.http.post(
                system.tenant("t5", "memories/search"), json={"query": "lane 3", "explain": True}
            )
        ).json(),
    }
    for command, body in asked.items():
        ended = await system.cli(*command, *data, "--json")
        assert (ended.code, ended.json) == (0, body), ended
    # The live state goes on; what was built is compared with it where it is now.
    await system.done("send", "-", "--wait", stdin=lines(2 * EVENTS, "t1"))
    for beside in (("--rebuild",), ("--snapshot",), data):
        compared = await system.done("digest", *beside)
        assert all(each["same"] for each in compared), compared
        assert len(compared) == system.settings.partitions + 1
    assert any(each["begun_at"] < each["offset"] for each in compared)
    home = partition_of("t1", system.settings.partitions)
    db = open_database(tmp_path / "rest" / f"{system.name(TENANT_LOG)}-{home}")
    key, value = next(scan_raw(db, tenant_key(CountRow, "t1")))
    row = decode_row(CountRow, value)
    db.put(key, encode_row(structs.replace(row, working=row.working + 1)))
    db.close()
    ended = await system.cli("digest", *data, "--json")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    found = [each["difference"] for each in ended.json if not each["same"]]
    assert [(row["kind"], row["tenant"]) for row in found] == [("CountRow", "t1")]
    assert found[0]["other"]["working"] == found[0]["live"]["working"] + 1
    again = await system.cli("replay", "--to", str(tmp_path / "rest"))
    assert (again.code, again.out, again.err.count("\n")) == (2, "", 1)
    # As it was in the middle of the first half: no snapshot is early enough.
    records = await system.records(TENANT_LOG)
    times = sorted(record.timestamp for record in records)
    until = times[len(times) // 4]
    ended = await system.cli(
        *("replay", "--to", str(tmp_path / "was"), "--until", format_time(until * 1000), "--json")
    )
    assert ended.code == 0, ended.err
    job = fold_job(system.settings)
    for each in ended.json["partitions"]:
        if each["log"] != "tenant":
            continue
        of = [r for r in records if r.partition == each["partition"]]
        later = next((n for n, r in enumerate(of) if r.timestamp > until), len(of))
        db = open_database(tmp_path / "was" / f"{each['topic']}-{each['partition']}")
        found = dict(scan_raw(db, b"", start=positions.LOGICAL_START))
        db.close()
        assert found == naive(job, of[:later], each["partition"])
