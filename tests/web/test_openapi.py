"""The OpenAPI document is true: every route is in it, and every answer is as it says."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from litestar import Litestar
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from streams.runtime.search import Search
from streams.web.app import create_app

from .fakes import NOW, PARTITIONS, FakeCluster, FakeDecoder
from .servers import SETTINGS, client_of
from .whole import WholeProducer, check

EVENT = {"specversion": "1.0", "id": "1", "source": "/s"}
CALL = {
    "usage": {
        "gen_ai.provider.name": "p",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 1,
        "gen_ai.usage.output_tokens": 1,
    }
}
RUN = {"job": {"namespace": "n", "name": "j"}, "run_id": "r", "state": "START"}
SAID = {
    "content": "The gate failed.",
    "memory_id": "gate",
    "agent": "a",
    "priority": "HIGH",
    "ttl_seconds": 86_400,
    "cluster_state": "eu-1",
    "pipeline_context": "ingest",
    "metadata": {"rows": 400},
}
SHOWN_ELSEWHERE = {"/", "/openapi.json"}
HIDDEN = {("/v1/tenants/{tenant}/memories/search", "get"), ("/internal/embed", "post")}
"""A memory may have the id `search`: shown as /memories/{memory_id}. The other is for workers."""
SEARCH = "/v1/tenants/t1/memories/search"


@pytest.fixture(scope="module")
def app() -> Litestar:
    cluster = FakeCluster(*range(PARTITIONS))
    producer = WholeProducer(cluster, SETTINGS)
    return create_app(
        cluster=cluster,
        producer=producer,
        check=check,
        settings=SETTINGS,
        finder=Search(0),
        clock=lambda: NOW,
    )


@pytest.fixture(scope="module")
async def whole(app: Litestar) -> Any:
    async with client_of(app) as client:
        yield client


@pytest.fixture(scope="module")
async def document(whole: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await whole.get("/openapi.json")).json()
    return found


def test_every_route_is_documented(app: Litestar, document: dict[str, Any]) -> None:
    served = {
        (route.path_format, method.lower())
        for route in app.routes
        for method in route.methods
        if method != "OPTIONS" and not route.path_format.startswith("/schema")
    }
    documented = {
        (path, method) for path, methods in document["paths"].items() for method in methods
    }
    assert {pair for pair in served - HIDDEN if pair[0] not in SHOWN_ELSEWHERE} == documented
    assert ("/v1/tenants/{tenant}/usage", "get") in documented


def test_it_is_openapi_3_1_and_its_schemas_are_schemas(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in _references(document):
        assert _at(document, reference)


def test_every_operation_says_what_it_is(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in _operations(document)]
    assert len(names) == len(set(names))
    for path, operation in _operations(document):
        assert operation["summary"][0].isupper(), path
        assert operation["tags"][0] in {tag["name"] for tag in document["tags"]}
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (path, parameter["name"])
            assert "null" not in json.dumps(parameter["schema"])


def test_examples_are_valid(document: dict[str, Any]) -> None:
    checked = 0
    for _, operation in _operations(document):
        answers = [response.get("content", {}) for response in operation["responses"].values()]
        for content in (*answers, operation.get("requestBody", {}).get("content", {})):
            for media in content.values():
                examples = [part["value"] for part in media.get("examples", {}).values()]
                examples += [media["example"]] if "example" in media else []
                for example in examples:
                    _validate(document, media["schema"], example)
                    checked += 1
    assert checked == 4 * 3 + 1 + 21 + 5


COMMANDS = "/v1/tenants/t1/commands"
STATE = "/v1/tenants/t1/agents/a1/state"
BUDGET = {"budget_id": "daily", "limit_usd": 1.0, "period": "day", "thresholds": [50]}
STEPS: list[tuple[str, str, dict[str, Any], int]] = [
    ("post", f"{COMMANDS}?wait=true", {"json": {"type": "budget.set", "data": BUDGET}}, 200),
    ("post", "/v1/tenants/t1/messages", {"json": CALL}, 202),
    ("post", "/v1/tenants/t1/messages", {"json": SAID}, 202),
    ("get", "/v1/tenants/t1/memories/gate", {}, 200),
    ("get", "/v1/tenants/t1/memories/none", {}, 404),
    ("get", "/v1/tenants/t1/memories?tier=working&priority=HIGH&agent=a", {}, 200),
    ("get", "/v1/tenants/nobody/memories", {}, 200),
    ("get", "/v1/tenants/t1/memories?priority=URGENT", {}, 400),
    ("post", SEARCH, {"json": {"query": "gate", "explain": True}}, 200),
    ("post", SEARCH, {"json": {"query": "gate", "min_priority": "HIGH"}}, 200),
    ("post", SEARCH, {"json": {"query": "gate", "limit": 101}}, 422),
    ("post", SEARCH, {"content": b"{"}, 422),
    ("post", f"{SEARCH}?after=nonsense", {"json": {"query": "gate"}}, 400),
    ("post", "/v1/tenants/nobody/memories/search", {"json": {"query": "gate"}}, 200),
    ("get", "/v1/tenants/t1/usage?group_by=model", {}, 200),
    ("get", "/v1/tenants/t1/usage", {}, 200),
    ("get", "/v1/tenants/t1/budgets", {}, 200),
    ("get", "/v1/tenants/t1/quota", {}, 200),
    ("get", "/v1/tenants/nobody/quota", {}, 200),
    ("get", "/v1/tenants/t1/alerts", {}, 200),
    ("get", "/v1/tenants/t1/audit", {}, 200),
    ("post", "/v1/tenants/t1/jobs", {"json": RUN}, 202),
    ("get", "/v1/tenants/t1/jobs", {}, 200),
    ("get", "/v1/tenants/nobody/jobs", {}, 200),
    ("get", "/v1/tenants/nobody/usage", {}, 200),
    ("get", "/v1/tenants/nobody/budgets", {}, 200),
    ("get", "/v1/tenants/nobody/alerts", {}, 200),
    ("get", "/v1/tenants/nobody/audit", {}, 200),
    ("put", f"{STATE}/checkpoint", {"json": {"value": {"loss": 0.5}, "ttl_seconds": 9}}, 200),
    ("put", f"{STATE}/checkpoint", {"json": {"value": 1, "if_version": 0}}, 409),
    ("put", f"{STATE}/checkpoint", {"json": {"value": "x" * 65_536}}, 413),
    ("put", f"{STATE}/checkpoint", {"json": {}}, 422),
    ("get", f"{STATE}/checkpoint", {}, 200),
    ("get", STATE, {}, 200),
    ("delete", f"{STATE}/checkpoint?if_version=2", {}, 409),
    ("delete", f"{STATE}/checkpoint", {}, 200),
    ("delete", f"{STATE}/checkpoint", {}, 404),
    ("get", f"{STATE}/checkpoint", {}, 404),
    ("get", STATE, {}, 200),
    ("post", "/v1/tenants/t1/jobs", {"json": {}}, 422),
    ("post", "/v1/tenants/t1/context", {"json": {"query": "?"}}, 422),
    ("post", COMMANDS, {"json": {"type": "budget.set", "data": {}}}, 422),
    ("post", "/v1/tenants/t1/messages", {"content": b"x" * 1_048_577}, 413),
    ("get", "/v1/tenants/t1/usage?after=agent.messages.v1:0:99&wait_ms=0", {}, 504),
    ("get", "/v1/tenants/t1/usage?after=nonsense", {}, 400),
    ("get", "/v1/partitions", {}, 200),
    ("get", "/healthz", {}, 200),
    ("get", "/readyz", {}, 200),
]


async def test_answers_are_as_documented(
    whole: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    for method, url, sent, status in STEPS:
        answer = await whole.request(method, url, **sent)
        assert answer.status_code == status, (url, answer.text)
        path = url.partition("?")[0].replace("/t1/", "/{tenant}/").replace("/nobody/", "/{tenant}/")
        path = path.replace("/a1/", "/{agent}/").replace("/checkpoint", "/{key}")
        path = path.replace("/gate", "/{memory_id}").replace("/none", "/{memory_id}")
        content = document["paths"][path][method]["responses"][str(status)]["content"]
        media = content[answer.headers["content-type"]]
        _validate(document, media["schema"], answer.json())


async def test_the_whole_way(whole: httpx.AsyncClient) -> None:
    """A budget, a call over it, and all the reads agree (rests on real admit, fold and rows)."""
    sent = {"json": {"type": "budget.set", "data": BUDGET}, "headers": {"Idempotency-Key": "b"}}
    url = "/v1/tenants/t2/commands?wait=true"
    first = (await whole.post(url, **sent)).json()
    assert (first["action"], first["outcome"]) == ("budget.set", "done")
    place = (await whole.post("/v1/tenants/t2/messages", json=CALL)).json()["events"][0]
    after = {"after": f"{place['topic']}:{place['partition']}:{place['offset']}"}
    usage = (await whole.get("/v1/tenants/t2/usage", params=after)).json()
    assert (usage["total"]["calls"], usage["total"]["cost_usd"]) == (1, "1")
    alerts = (await whole.get("/v1/tenants/t2/alerts")).json()["items"]
    assert [alert["threshold_percent"] for alert in alerts] == [50]
    audits = (await whole.get("/v1/tenants/t2/audit?source=/api&id=b")).json()["items"]
    assert audits == [first]


async def test_a_refused_record_is_told_to_its_tenant_only() -> None:
    """Someone wrote past the API: a reader that waits for the record hears that it was refused."""
    cluster = FakeCluster(*range(PARTITIONS))
    producer = WholeProducer(cluster, SETTINGS)
    lenient = create_app(
        cluster=cluster, producer=producer, check=FakeDecoder(), settings=SETTINGS, finder=Search(0)
    )
    async with client_of(lenient) as client:
        answer = await client.post("/v1/tenants/t1/messages", json={"content": 5})
        place = answer.json()["events"][0]
        after = {"after": f"{place['topic']}:{place['partition']}:{place['offset']}"}
        own = await client.get("/v1/tenants/t1/usage", params=after)
        other = await client.get("/v1/tenants/t2/usage", params=after)
        waited = await client.post(
            "/v1/tenants/t1/commands?wait=true", json={"type": "budget.set", "data": {}}
        )
    assert own.status_code == 409, own.text
    assert own.json()["code"] == "schema"
    assert other.status_code == 200
    assert (waited.status_code, waited.json()["code"]) == (409, "schema")


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def _validate(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    registry = Registry().with_resource("urn:api", DRAFT202012.create_resource(document))
    absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
    Draft202012Validator(absolute, registry=registry).validate(value)


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from _references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _references(inner)


def _at(document: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        document = document[step.replace("~1", "/").replace("~0", "~")]
    return document
