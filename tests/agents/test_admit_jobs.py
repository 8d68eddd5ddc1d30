"""Admit on job.events: job.run, and OpenLineage as it comes."""

import json
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from agents.malformed import marks
from agents.test_admit import Book, incoming, refused
from streams.agents.admit import admit
from streams.core import log
from streams.core.log import Call, Dataset, DatasetDeclared, JobDeclared, JobRun
from streams.core.time import parse_time
from streams.topology import JOB_EVENTS

SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
PRODUCER = "https://example.org/spark"
FACET = {"_producer": PRODUCER, "_schemaURL": "https://example.org/f.json", "z": [1.5, None, "é"]}
CANONICAL = (
    '{"_producer":"https://example.org/spark","_schemaURL":"https://example.org/f.json",'
    '"z":[1.5,null,"é"]}'
).encode()
ORDERS = {"namespace": "s3://lake", "name": "orders", "facets": {"schema": FACET}}
RUN: dict[str, Any] = {
    "eventTime": "2026-11-22T11:00:00Z",
    "schemaURL": f"{SPEC}RunEvent",
    "producer": PRODUCER,
    "eventType": "START",
    "job": {"namespace": "spark/prod é", "name": "load"},
    "run": {"runId": "r1"},
}
# Own samples after the specification's examples of static lineage.
JOB: dict[str, Any] = {
    "eventTime": "2026-11-22T11:00:00.123456+01:00",
    "schemaURL": f"{SPEC}JobEvent",
    "producer": PRODUCER,
    "job": {"namespace": "dbt", "name": "orders_daily", "facets": {"sql": FACET}},
    "inputs": [ORDERS | {"inputFacets": {"dataQuality": FACET}}],
    "outputs": [{"namespace": "s3://lake", "name": "daily"}],
}
DATASET: dict[str, Any] = {
    "eventTime": "2026-11-22T11:00:00Z",
    "schemaURL": f"{SPEC}DatasetEvent",
    "producer": PRODUCER,
    "dataset": ORDERS,
}


def changed(event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: part for name, part in (event | changes).items() if part is not ...}


def admitted(
    event: dict[str, Any],
    headers: list[tuple[str, bytes]] | None = None,
    namespaces: dict[str, str] | None = None,
) -> log.Record:
    value = json.dumps(event).encode()
    record = incoming(value, key=b"any", headers=headers or [], topic=JOB_EVENTS)
    return admit(record, Book(), namespaces)


def run(**changes: Any) -> JobRun:
    body = admitted(changed(RUN, **changes)).body
    assert isinstance(body, JobRun)
    return body


@pytest.mark.parametrize(
    ("headers", "namespaces", "tenant"),
    [
        ([], {}, "spark_prod__"),
        ([], {"spark/prod é": "data-team"}, "data-team"),
        ([("ce_tenant", b"t9")], {"spark/prod é": "data-team"}, "t9"),
    ],
)
def test_whose_an_openlineage_event_is(
    headers: list[tuple[str, bytes]], namespaces: dict[str, str], tenant: str
) -> None:
    assert admitted(RUN, headers, namespaces).tenant == tenant


def test_identity_is_the_producer_and_the_canonical_json() -> None:
    record = admitted(RUN)
    text = json.dumps(RUN, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert (record.source, record.id) == (PRODUCER, sha256(text.encode()).hexdigest())
    assert record.time == parse_time("2026-11-22T11:00:00Z")
    # Spaces and the order of members are no difference.
    shuffled = dict(reversed(RUN.items()))
    assert admitted(shuffled).id == record.id
    assert admitted(changed(RUN, eventType="OTHER")).id != record.id


def test_a_run_event() -> None:
    parent = {"run": {"runId": "p1"}, "job": {"namespace": "n", "name": "p"}}
    body = run(
        eventType="COMPLETE",
        run={"runId": "é" * 200, "facets": {"parent": parent}},
        job={"namespace": "n", "name": "j", "facets": {"jobType": {"processingType": "BATCH"}}},
        inputs=[ORDERS],
        outputs=None,
        later={"ignored": 1},
    )
    assert body == JobRun(
        "é" * 200,
        "n",
        "j",
        "COMPLETE",
        kind="batch",
        parent_run_id="p1",
        inputs=(Dataset("s3://lake", "orders", {"schema": CANONICAL}),),
        run_facets={"parent": msgspec.json.encode(parent, order="deterministic")},
        job_facets={"jobType": b'{"processingType":"BATCH"}'},
    )


@pytest.mark.parametrize(
    ("said", "state"),
    [(..., None), (None, None), ("RUNNING", "RUNNING"), ("fail", "FAIL"), ("SKIPPED", "OTHER")],
)
def test_an_event_type_is_not_enforced(said: Any, state: str | None) -> None:
    assert run(eventType=said).state == state


@pytest.mark.parametrize(
    ("facets", "kind"),
    [
        ({"jobType": {"processingType": "STREAMING"}}, "stream"),
        ({"jobType": {"processingType": "NONE"}}, "other"),
        ({"jobType": {}}, "other"),
        ({"jobType": "BATCH"}, None),
        (None, None),
    ],
)
def test_kind_is_that_of_the_job_type(facets: Any, kind: str | None) -> None:
    assert run(job={"namespace": "n", "name": "j", "facets": facets}).kind == kind


@pytest.mark.parametrize(
    ("facets", "parent"),
    [
        ({"parentRun": {"run": {"runId": "old"}}}, "old"),
        ({"parent": {"run": {"runId": 5}}}, None),
        ({"parent": {"run": {"runId": "x" * 201}}}, None),
        ({"parent": None}, None),
    ],
)
def test_a_parent_is_taken_where_it_is_one(facets: Any, parent: str | None) -> None:
    assert run(run={"runId": "r", "facets": facets}).parent_run_id == parent


def test_a_job_event() -> None:
    record = admitted(JOB)
    assert (record.tenant, record.time) == ("dbt", parse_time("2026-11-22T10:00:00.123456Z"))
    facets = {"schema": CANONICAL, "inputFacets/dataQuality": CANONICAL}
    assert record.body == JobDeclared(
        "dbt",
        "orders_daily",
        {"sql": CANONICAL},
        (Dataset("s3://lake", "orders", facets),),
        (Dataset("s3://lake", "daily"),),
    )


def test_a_dataset_event() -> None:
    record = admitted(DATASET)
    assert record.tenant == "s3___lake"
    assert record.body == DatasetDeclared(Dataset("s3://lake", "orders", {"schema": CANONICAL}))


@pytest.mark.parametrize(
    "url",
    [
        "https://openlineage.io/spec/1-0-5/OpenLineage.json",
        "https://openlineage.io/spec/0-0-1/OpenLineage.json#/definitions/BaseEvent",
        "",
        None,
    ],
)
def test_where_the_schema_names_none_the_content_says_what_it_is(url: str | None) -> None:
    kinds = [type(admitted(changed(e, schemaURL=url)).body) for e in (RUN, JOB, DATASET)]
    assert kinds == [JobRun, JobDeclared, DatasetDeclared]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (changed(RUN, eventTime="2027-11-22T11:00:00Z"), "bad_time"),
        (changed(RUN, eventTime=5), "bad_time"),
        (changed(RUN, eventTime="2026-11-22T11:00:00"), "bad_time"),
        (changed(RUN, job={"name": "load"}), "tenant_missing"),
        (changed(RUN, job={"namespace": "..", "name": "load"}), "bad_tenant"),
        (changed(RUN, run=...), "schema"),
        (changed(RUN, run={"runId": ""}), "schema"),
        (changed(RUN, run={"runId": "x" * 201}), "schema"),
        (changed(RUN, run={"runId": "r", "facets": []}), "schema"),
        (changed(RUN, inputs=[{"name": "x"}]), "schema"),
        (changed(RUN, job={"namespace": "n", "name": "x" * 4097}), "schema"),
        (changed(RUN, producer=...), "schema"),
        (changed(RUN, producer="a\nb"), "schema"),
        (changed(JOB, job={"namespace": "n"}), "schema"),
        (changed(DATASET, dataset={"namespace": "n", "name": ""}), "schema"),
        (changed(RUN, schemaURL=...), "not_cloudevent"),
        (changed(RUN, eventTime=...), "not_cloudevent"),
    ],
)
def test_openlineage_that_is_wrong(event: dict[str, Any], code: str) -> None:
    record = incoming(json.dumps(event).encode(), headers=[], topic=JOB_EVENTS)
    error = refused(record)
    assert error.code == code
    assert (error.tenant is not None) is (code in ("bad_time", "schema"))


@pytest.mark.parametrize("value", [json.dumps(RUN).encode()[:-1], b"[]", b"\xff", b'"a"'])
def test_what_is_no_object(value: bytes) -> None:
    assert refused(incoming(value, headers=[], topic=JOB_EVENTS)).code == "not_cloudevent"


def test_openlineage_is_known_on_its_topic_alone() -> None:
    assert refused(incoming(json.dumps(RUN).encode(), headers=[])).code == "not_cloudevent"


def test_key_is_no_tenant() -> None:
    data = {"job": {"namespace": "n", "name": "j"}, "run_id": "r", "state": "START"}
    value = json.dumps(data).encode()
    headers = marks(ce_type=b"job.run")
    record = incoming(value, key=b"run:1", headers=headers, topic=JOB_EVENTS)
    assert refused(record).code == "tenant_missing"
    named = json.dumps(data | {"tenant": "t7"}).encode()
    record = incoming(named, key=b"run:1", headers=headers, topic=JOB_EVENTS)
    assert admit(record, Book()).tenant == "t7"


def test_a_job_run() -> None:
    data = {
        "job": {"namespace": "argo", "name": "train"},
        "run_id": "r1",
        "state": "FAIL",
        "kind": "training",
        "cluster": "eu-1",
        "node": "gpu-3",
        "inputs": [{"namespace": "s3", "name": "a"}],
        "outputs": [],
        "parent_run_id": "p",
        "message": "out of memory",
        "context_tags": ["b", "a"],
        "usage": {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 5},
        "cost_attribution": "project-a",
    }
    headers = marks(ce_type=b"job.run", ce_tenant=b"t1")
    record = admit(incoming(json.dumps(data).encode(), headers=headers, topic=JOB_EVENTS), Book())
    assert record.body == JobRun(
        "r1",
        "argo",
        "train",
        "FAIL",
        kind="training",
        cluster="eu-1",
        node="gpu-3",
        parent_run_id="p",
        message="out of memory",
        context_tags=("b", "a"),
        cost_attribution="project-a",
        call=Call("", "gpt-4o", 5, 0, 0, 0, None, 10, "book 1"),
        inputs=(Dataset("s3", "a"),),
    )
    assert log.decode(log.encode(record)) == record
