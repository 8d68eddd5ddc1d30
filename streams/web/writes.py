"""POST of events and commands: checked by admit's decoder, acknowledged by Kafka, then answered."""

import os
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, QueryParameter, SkipValidation

from streams import topology
from streams.core.errors import ApiError
from streams.core.ids import random_id
from streams.core.job_events import run_key
from streams.ports import Outgoing, Producer
from streams.settings import Settings
from streams.web import problems
from streams.web.intake import Check, Draft, Taker
from streams.web.models import Accepted, Audit, Event, Reserved, Settled
from streams.web.parameters import Tenant, WaitMs, answers, check_tenant
from streams.web.reading import Reading
from streams.web.request_bodies import Commands, Context, Jobs, Messages
from streams.web.waiting import Pair, all_records, outcome


class Writing(msgspec.Struct, frozen=True):
    """What these routes need."""

    producer: Producer
    check: Check
    settings: Settings

    async def write(
        self, request: Request[Any, Any, Any], tenant: str, topic: str, bare_type: str | None
    ) -> "Written":
        """Produce what the request holds; all of it, or nothing.

        Raises
        ------
        Refused
            One of the events; nothing was produced.
        """
        return await self.send(request.headers, await request.body(), tenant, topic, bare_type)

    async def send(
        self,
        headers: Mapping[str, str],
        body: bytes,
        tenant: str,
        topic: str,
        bare_type: str | None,
    ) -> "Written":
        """Produce what these headers (in lower case) and this body hold; as `write`."""
        check_tenant(tenant)
        taker = Taker(topic, tenant, bare_type, self.check, lambda: random_id(os.urandom(16)))
        intake = taker.take_in(headers, body)
        found = intake.drafts
        if not found:
            raise ApiError(400, "bad_request", "the batch holds no event")
        full = topology.name(self.settings, topic)
        # On job.events a key is never a tenant.
        key = run_key if topic == topology.JOB_EVENTS else lambda _: tenant.encode()
        placed = await self.producer.produce(
            [Outgoing(full, key(draft.value), draft.value, draft.headers) for draft in found]
        )
        events = [
            Event(id=draft.id, topic=at.topic, partition=at.partition, offset=at.offset)
            for draft, at in zip(found, placed, strict=True)
        ]
        return Written(found, events, intake.batch)


class Written(msgspec.Struct, frozen=True):
    """What was produced, and where it lies."""

    drafts: list[Draft]
    events: list[Event]
    batch: bool


TheWriting = NamedDependency[SkipValidation[Writing]]
TheReading = NamedDependency[SkipValidation[Reading]]
AnyRequest = Request[Any, Any, Any]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="Id of bare data; sent again within 24 h of log time it changes nothing",
    ),
]

_ERRORS = (400, 413, 422, 503)
_ACCEPTED = answers(Accepted, "Acknowledged by Kafka", *_ERRORS, status=202)


@post(
    "/messages",
    status_code=202,
    tags=["write"],
    summary="Send what agents say and what it cost",
    operation_class=Messages,
    responses=_ACCEPTED,
)
async def messages(
    request: AnyRequest,
    writing: TheWriting,
    tenant: Tenant,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    written = await writing.write(request, tenant, topology.AGENT_MESSAGES, "agent.message")
    return _accepted(written)


@post(
    "/jobs",
    status_code=202,
    tags=["write"],
    summary="Send what happens to runs of data jobs: job.run, or an OpenLineage event as it is",
    operation_class=Jobs,
    responses=_ACCEPTED,
)
async def jobs(
    request: AnyRequest,
    writing: TheWriting,
    tenant: Tenant,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    written = await writing.write(request, tenant, topology.JOB_EVENTS, "job.run")
    return _accepted(written)


@post(
    "/context",
    status_code=202,
    tags=["write"],
    summary="Ask for a context window (not served by this version: unknown_type)",
    operation_class=Context,
    responses=_ACCEPTED,
)
async def context(
    request: AnyRequest,
    writing: TheWriting,
    tenant: Tenant,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    written = await writing.write(request, tenant, topology.CONTEXT_REQUESTS, "context.request")
    return _accepted(written)


@post(
    "/commands",
    status_code=202,
    tags=["write"],
    summary="Set budgets and other things of a tenant",
    description=(
        "With `wait=true` the answer is 200 with the command's audit record (for a batch: a list, "
        "a problem document in the place of one that was refused or rejected). A command sent "
        "twice answers with the record of the first. A reservation's command is answered as "
        "`/budget/reserve` and `/budget/settle` answer it."
    ),
    operation_class=Commands,
    responses=_ACCEPTED
    | answers(
        Audit | Settled | Reserved | list[Audit | Settled | Reserved | problems.Problem],
        "With wait=true: the audit record",
        409,
        504,
    ),
)
async def commands(
    request: AnyRequest,
    writing: TheWriting,
    reading: TheReading,
    tenant: Tenant,
    wait: Annotated[bool, QueryParameter(description="Answer when the work is done")] = False,
    wait_ms: WaitMs = 5000,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    written = await writing.write(request, tenant, topology.TENANT_COMMANDS, None)
    if not wait:
        return _accepted(written)
    pairs = list(zip(written.drafts, written.events, strict=True))
    if written.batch:
        body = await all_records(reading, tenant, pairs, wait_ms)
    else:
        body = await outcome(reading, tenant, *pairs[0], wait_ms)
    return Response(body, status_code=200, media_type="application/json")


async def send_bare(
    request: AnyRequest, writing: Writing, tenant: str, event_type: str, body: bytes
) -> Pair:
    """Produce a command made of a request; only what names or traces it goes along."""
    kept = ("idempotency-key", "traceparent")
    headers = {name: request.headers[name] for name in kept if name in request.headers}
    written = await writing.send(headers, body, tenant, topology.TENANT_COMMANDS, event_type)
    return written.drafts[0], written.events[0]


def _accepted(written: Written) -> Response[bytes]:
    body = msgspec.json.encode(Accepted(written.events))
    return Response(body, status_code=202, media_type="application/json")
