"""Commands print exactly what the API says, and what the topics hold."""

import json

from agents.malformed import GOOD

from streams import topology
from streams.topology import BUDGET_ALERTS, TENANT_AUDIT

from .system import System


async def spend(system: System, tenant: str) -> None:
    await system.command(
        tenant, "budget.set", budget_id="b", limit_usd="0.001", period="day", forecast=False
    )
    posted = await system.http.post(system.tenant(tenant, "messages"), json=GOOD)
    at = posted.json()["events"][0]
    place = f"{at['topic']}:{at['partition']}:{at['offset']}"
    await system.get(tenant, "usage", after=place, wait_ms=30000)


async def test_reads_are_the_apis_bodies(system: System, tenant: str) -> None:
    await spend(system, tenant)
    for arguments, path, query in (
        (["usage", tenant], "usage", {"period": "day"}),
        (["usage", tenant, "--period", "hour"], "usage", {"period": "hour"}),
        (
            ["usage", tenant, "--group-by", "model"],
            "usage",
            {"group_by": "model", "period": "day"},
        ),
        (["budget", tenant], "budgets", {}),
        (["budget", "list", tenant], "budgets", {}),
    ):
        printed = await system.done(*arguments)
        body = await system.get(tenant, path, **query)
        # Log time goes on between the two.
        assert printed.keys() == body.keys()
        assert printed | {"as_of": ""} == body | {"as_of": ""}, arguments


async def test_budgets_are_set_and_deleted(system: System, tenant: str) -> None:
    done = await system.done(
        *("budget", "set", tenant, "--id", "gpt", "--limit-usd", "5.50", "--period", "hour"),
        *("--threshold", "90", "--threshold", "10", "--scope", "model=gpt-4o", "--no-forecast"),
        *("--timezone", "Europe/Berlin"),
    )
    (record,) = (await system.get(tenant, "audit"))["items"]
    assert done == record
    items = (await system.get(tenant, "budgets"))["items"]
    assert next(i["config"] for i in items if i["config"]["budget_id"] == "gpt") == {
        "budget_id": "gpt",
        "limit_usd": "5.5",
        "period": "hour",
        "timezone": "Europe/Berlin",
        "thresholds": [10, 90],
        "forecast": False,
        "scope": {"model": "gpt-4o"},
    }
    done = await system.done("budget", "delete", tenant, "gpt")
    assert (done["action"], done["outcome"]) == ("budget.deleted", "done")
    items = (await system.get(tenant, "budgets"))["items"]
    assert "gpt" not in [item["config"]["budget_id"] for item in items]


async def test_tail_shows_what_a_committed_reader_sees(system: System, tenant: str) -> None:
    await spend(system, tenant)
    for short in (BUDGET_ALERTS, TENANT_AUDIT):
        ended = await system.cli("tail", short, "--from", "earliest", "--timeout", "0", "--json")
        assert (ended.code, ended.err) == (0, "")
        shown = [json.loads(line) for line in ended.out.splitlines()]
        expected = [
            {
                "key": record.key.decode(),
                "headers": {name: value.decode() for name, value in record.headers},
                "value": json.loads(record.value),
            }
            for record in await system.of_tenant(short, tenant)
        ]
        assert expected
        assert [line for line in shown if line["key"] == tenant] == expected


async def test_tail_ends_after_so_many(system: System, tenant: str) -> None:
    await spend(system, tenant)
    limited = ("--from", "earliest", "--max", "2", "--timeout", "20", "--json")
    ended = await system.cli("tail", BUDGET_ALERTS, *limited)
    assert (ended.code, len(ended.out.splitlines())) == (0, 2)


async def test_topics_are_listed_as_they_are(system: System) -> None:
    rows = await system.done("topics", "list")
    wanted = topology.topics(system.settings)
    assert [row["name"] for row in rows] == [topic.name for topic in wanted]
    assert all(row["wrong"] == [] and row["found"] for row in rows)
    assert await system.done("topics", "ensure") == {
        "created": [],
        "topics": len(wanted),
        "late": [],
    }


async def test_changelogs_rebuild_the_state(system: System, tenant: str) -> None:
    await spend(system, tenant)
    compared = await system.done("digest", "--rebuild")
    # That of tenant.control is one more.
    assert len(compared) == system.settings.partitions + 1
    assert all(each["same"] and each["digest"] == each["rebuilt"] for each in compared)


async def test_mistakes_are_one_line(system: System, tenant: str) -> None:
    for arguments in (
        ["usage", "a/b"],
        ["budget", "set", tenant, "--id", "b", "--limit-usd", "much"],
        ["budget", "set", tenant, "--id", "b", "--limit-usd", "1", "--timezone", "Mars/Base"],
        ["tail", "no.such.topic"],
        ["send", "-", "--tenant", "t"],
    ):
        ended = await system.cli(*arguments)
        assert ended.code in (1, 2), arguments
        assert ended.err.count("\n") == 1, ended
        assert ended.err.startswith("streams: ")
