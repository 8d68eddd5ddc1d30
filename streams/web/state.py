"""An agent's own state: read, set and deleted one key at a time; a write answers once it holds."""

from functools import partial
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar import Response, delete, get, put
from litestar.params import PathParameter, QueryParameter

from streams.core.errors import ApiError
from streams.core.state_value import compact
from streams.memory import read
from streams.ports import LocalPartition
from streams.web.intake import decode
from streams.web.models import State, States
from streams.web.parameters import (
    After,
    Cursor,
    Limit,
    Tenant,
    WaitMs,
    answers,
    check_tenant,
    from_cursor,
)
from streams.web.reading import Question, Reading, position
from streams.web.request_bodies import PutState
from streams.web.tenants import ERRORS, AnyRequest, TheReading, answer, listing, raw_path
from streams.web.waiting import Pair, audit_record
from streams.web.writes import IdempotencyKey, TheWriting, send_bare

Agent = Annotated[str, PathParameter(description="Whose state it is; a slash in it is sent as %2F")]
Key = Annotated[str, PathParameter(description="1 to 256 characters; a slash is sent as %2F")]

_REJECTED = {"conflict": (409, "conflict"), "not_found": (404, "not_found")}
_WRITE_ERRORS = (400, 409, 413, 422, 503, 504)


class _Put(msgspec.Struct):
    value: msgspec.Raw
    if_version: msgspec.Raw = msgspec.Raw()
    ttl_seconds: msgspec.Raw = msgspec.Raw()


class _Details(msgspec.Struct):
    agent: str | None = None
    key: str | None = None
    version: int = 0


class _Done(msgspec.Struct):
    """What an audit record says of a write that is done."""

    action: str
    at: str
    details: _Details


_put = msgspec.json.Decoder(_Put)
_done = msgspec.json.Decoder(_Done)


@get(
    "/agents/{agent:str}/state",
    tags=["read"],
    summary="The keys of an agent's state, in order, without their values",
    description="A page may hold fewer than `limit` before the end: deleted keys count as seen.",
    responses=answers(States, "Keys in the order of their bytes", *ERRORS),
)
async def states(
    request: AnyRequest,
    reading: TheReading,
    tenant: Tenant,
    agent: Agent,
    limit: Limit = 50,
    cursor: Cursor = None,
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    check_tenant(tenant)
    last = from_cursor("state", tenant, cursor)
    find = partial(read.states, tenant=tenant, agent=unquote(agent), limit=limit, after=last)
    return await answer(request, reading, tenant, after, wait_ms, listing("state", find))


@get(
    "/agents/{agent:str}/state/{key:str}",
    tags=["read"],
    summary="One key of an agent's state",
    responses=answers(State, "Value and version", 404, *ERRORS),
)
async def state(
    request: AnyRequest,
    reading: TheReading,
    tenant: Tenant,
    agent: Agent,
    key: Key,
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    check_tenant(tenant)
    compute = partial(_value, tenant, unquote(agent), unquote(key))
    return await answer(request, reading, tenant, after, wait_ms, compute)


@put(
    "/agents/{agent:str}/state/{key:str}",
    tags=["write"],
    summary="Set one key of an agent's state, and wait until it holds",
    description=(
        "With `if_version` it is set only over that version (0: only where there is no value), "
        "else the answer is 409 conflict. Each set raises the version by one, also over a key "
        "that was deleted. With `ttl_seconds` it is gone after so long."
    ),
    operation_class=PutState,
    responses=answers(State, "As it is now", *_WRITE_ERRORS),
)
async def set_state(
    request: AnyRequest,
    writing: TheWriting,
    reading: TheReading,
    tenant: Tenant,
    agent: Agent,
    key: Key,
    wait_ms: WaitMs = 5000,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    check_tenant(tenant)
    body = decode(_put, await request.body(), '{"value", "if_version"?, "ttl_seconds"?}')
    data = {"agent": unquote(agent), "key": unquote(key)} | {
        name: given for name, given in msgspec.structs.asdict(body).items() if bytes(given)
    }
    sent = msgspec.json.encode(data)
    pair = await send_bare(request, writing, tenant, "state.set", sent)
    done = await _wait(reading, tenant, pair, wait_ms, "state.set", data)
    now = {
        "value": msgspec.Raw(compact(body.value)),
        "version": done.details.version,
        "updated_at": done.at,
    }
    if idempotency_key is not None:
        now = await _as_first_sent(request, reading, tenant, data, pair, wait_ms, now)
    return _ok(now)


@delete(
    "/agents/{agent:str}/state/{key:str}",
    status_code=200,
    tags=["write"],
    summary="Delete one key of an agent's state, and wait until it is gone",
    responses=answers(
        State, "Value null, the version that was deleted, and when", 404, *_WRITE_ERRORS
    ),
)
async def delete_state(
    request: AnyRequest,
    writing: TheWriting,
    reading: TheReading,
    tenant: Tenant,
    agent: Agent,
    key: Key,
    if_version: Annotated[
        int | None, QueryParameter(description="Delete only this version", ge=1)
    ] = None,
    wait_ms: WaitMs = 5000,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    check_tenant(tenant)
    data: dict[str, Any] = {"agent": unquote(agent), "key": unquote(key)}
    if if_version is not None:
        data["if_version"] = if_version
    sent = msgspec.json.encode(data)
    pair = await send_bare(request, writing, tenant, "state.delete", sent)
    done = await _wait(reading, tenant, pair, wait_ms, "state.deleted", data)
    return _ok({"value": None, "version": done.details.version, "updated_at": done.at})


async def _wait(
    reading: Reading, tenant: str, pair: Pair, wait_ms: int, action: str, data: dict[str, Any]
) -> _Done:
    """What became of it; an Idempotency-Key of something else is a conflict."""
    record = await audit_record(reading, tenant, *pair, wait_ms, codes=_REJECTED)
    done = _done.decode(record)
    about = (done.action, done.details.agent, done.details.key)
    if about != (action, data["agent"], data["key"]):
        detail = f"this Idempotency-Key stands for another command, a {done.action}"
        raise ApiError(409, "conflict", detail)
    return done


async def _as_first_sent(
    request: AnyRequest,
    reading: Reading,
    tenant: str,
    data: dict[str, Any],
    pair: Pair,
    wait_ms: int,
    now: dict[str, Any],
) -> dict[str, Any]:
    """The value of a key that was sent twice is that of the first, whatever the second says."""
    event = pair[1]
    question = Question(
        tenant=tenant,
        path=raw_path(request),
        after=(position(f"{event.topic}:{event.partition}:{event.offset}", reading.settings),),
        wait_seconds=wait_ms / 1000,
    )
    try:
        found = await reading.answer(question, partial(_value, tenant, data["agent"], data["key"]))
    except ApiError as error:
        if error.status != 404:
            raise
        return now
    stored = msgspec.json.decode(found, type=_Stored)
    return now | {"value": stored.value} if stored.version == now["version"] else now


class _Stored(msgspec.Struct):
    value: msgspec.Raw
    version: int


def _value(tenant: str, agent: str, key: str, local: LocalPartition) -> dict[str, Any]:
    return read.state(local.reader, tenant, agent, key, log_time=local.log_time)


def _ok(body: dict[str, Any]) -> Response[bytes]:
    return Response(msgspec.json.encode(body), media_type="application/json")
