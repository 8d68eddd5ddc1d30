"""``?wait=true``: follow a command until it is done, and answer with its audit record."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from streams.core.errors import ApiError
from streams.web import problems
from streams.web.held import ANSWERS
from streams.web.intake import Draft
from streams.web.models import Event, Target
from streams.web.reading import Question, Reading, position
from streams.web.tenants import audit_page

AT_ONCE = 16
"""How many commands of one batch are looked up at the same time."""

LONG = (b"memory.erase", b"memory.consolidate", b"memory.split")
"""Commands whose audit record comes when ticks are done with them."""
AGAIN_SECONDS = 0.2

Pair = tuple[Draft, Event]


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]


class _Outcome(msgspec.Struct):
    action: str
    target: Target
    outcome: str
    error: str | None = None
    details: dict[str, object] | None = None


_NO_CODES: Mapping[str, tuple[int, str]] = {}
_page = msgspec.json.Decoder(_Page)
_outcome = msgspec.json.Decoder(_Outcome)


async def audit_record(
    reading: Reading,
    tenant: str,
    draft: Draft,
    event: Event,
    wait_ms: int,
    *,
    codes: Mapping[str, tuple[int, str]] = _NO_CODES,
) -> bytes:
    """Audit record of one command.

    Parameters
    ----------
    codes : mapping
        Status and code for what was rejected with an error that is in here.

    Raises
    ------
    ApiError
        409 resource_error where it was rejected (unless ``codes`` says otherwise), 409 with the
        DLQ's code where it was refused, 409 conflict where its source and id were another event's
        and so it was not applied,
        504 not_reflected; each says where the command lies.
    """
    place = position(f"{event.topic}:{event.partition}:{event.offset}", reading.settings)
    cause = (draft.source, draft.id)
    question = Question(
        tenant=tenant,
        path=f"/v1/tenants/{tenant}/audit",
        params=(("source", draft.source), ("id", draft.id), ("limit", "1")),
        after=(place,),
        wait_seconds=wait_ms / 1000,
    )
    where = {"events": [msgspec.to_builtins(event)]}
    compute = audit_page(tenant, limit=1, before=None, cause=cause)
    try:
        items = _page.decode(await reading.answer(question, compute)).items
    except ApiError as error:
        raise problems.Extended(error.status, error.code, error.detail, where) from None
    if not items and draft_type(draft) in LONG:
        # It was folded, and ticks go on with it.
        left = question.wait_seconds
        while not items and left > 0:
            await asyncio.sleep(AGAIN_SECONDS)
            left -= AGAIN_SECONDS
            items = _page.decode(await reading.answer(question, compute)).items
        if not items:
            detail = "it has begun, and is not done yet"
            raise problems.Extended(504, "not_reflected", detail, where)
    if not items:
        detail = (
            "this source and id (an Idempotency-Key is one) stand for another event, or for a "
            "command whose audit record is no longer kept: send it with an id of its own"
        )
        raise problems.Extended(409, "conflict", detail, where)
    record = items[0]
    result = _outcome.decode(record)
    if result.outcome == "rejected":
        extra = where | {"audit": record}
        what = f"{result.action} of {result.target.kind} {result.target.id}: {result.error}"
        detail = str((result.details or {}).get("detail") or what)
        status, code = codes.get(result.error or "", (409, "resource_error"))
        raise problems.Extended(status, code, detail, extra)
    return bytes(record)


def draft_type(draft: Draft) -> bytes:
    """ce_type of what is written."""
    return dict(draft.headers).get("ce_type", b"")


async def outcome(reading: Reading, tenant: str, draft: Draft, event: Event, wait_ms: int) -> bytes:
    """What one command is answered with: its audit record, or its reservation."""
    made = ANSWERS.get(draft_type(draft), audit_record)
    return await made(reading, tenant, draft, event, wait_ms)


async def all_records(reading: Reading, tenant: str, pairs: Sequence[Pair], wait_ms: int) -> bytes:
    """Outcomes of a batch in its order, as a JSON list; a problem document where one fails."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait_ms / 1000
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(draft: Draft, event: Event) -> msgspec.Raw:
        async with gate:
            left = max(0, int((deadline - clock()) * 1000))
            try:
                return msgspec.Raw(await outcome(reading, tenant, draft, event, left))
            except ApiError as error:
                return msgspec.Raw(msgspec.json.encode(problems.document(error)))

    return msgspec.json.encode(await asyncio.gather(*(one(*pair) for pair in pairs)))
