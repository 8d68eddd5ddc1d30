"""Receipts of a tenant's erasures, and a look at every place where something may be left."""

from functools import partial
from typing import Annotated

import httpx
import msgspec
from litestar import Response, get, post
from msgspec import Meta

from streams.core.errors import ApiError, StoreLost
from streams.core.ids import partition_of
from streams.core.time import format_time
from streams.memory.receipts import receipts
from streams.ports import Looked
from streams.web.intake import decode
from streams.web.models import Erasures, Looks
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
from streams.web.reading import FORWARDED
from streams.web.request_bodies import VerifyErasures
from streams.web.service import Service, TheService
from streams.web.tenants import ERRORS, AnyRequest, TheReading, answer, listing, raw_path

SECONDS = 600.0
TEXTS = 20
TEXT = 10_000

Text = Annotated[str, Meta(min_length=1, max_length=TEXT)]


class _Verify(msgspec.Struct):
    texts: Annotated[list[Text], Meta(max_length=TEXTS)] = []


_decoder = msgspec.json.Decoder(_Verify)
_WHAT = f'{{"texts": [...]}}, at most {TEXTS} of up to {TEXT:,} characters'


@get(
    "/erasures",
    tags=["read"],
    summary="Receipts of erasures, the latest first",
    description=(
        "What each `memory.erase` removed, and how far it has come in every place: `done` says "
        "since when nothing is left there, `by` when retention, compaction or a collection will "
        "have removed the rest. `completed` when all places are done; the subject's name goes "
        "then, and `subject_hash` (BLAKE2b, 16 bytes) stays."
    ),
    responses=answers(Erasures, "Receipts", *ERRORS),
)
async def erasures(
    request: AnyRequest,
    reading: TheReading,
    tenant: Tenant,
    limit: Limit = 50,
    cursor: Cursor = None,
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    check_tenant(tenant)
    begin = from_cursor("erasures", tenant, cursor)
    find = partial(receipts, tenant=tenant, limit=limit, after=begin)
    return await answer(request, reading, tenant, after, wait_ms, listing("erasures", find))


@post(
    "/erasures/verify",
    status_code=200,
    tags=["read"],
    summary="Look for what was erased in every place",
    description=(
        "Reads the database's files, snapshots, the archive and all topics of contents, for "
        "what was erased and for `texts`; only what is the tenant's is looked at. Commands, "
        "receipts and the audit, which say what was asked for, are not contents. It reads all "
        "there is: minutes where that is much."
    ),
    operation_class=VerifyErasures,
    responses=answers(Looks, "What was found, by place", 413, *ERRORS),
)
async def verify(request: AnyRequest, service: TheService, tenant: Tenant) -> Response[bytes]:
    check_tenant(tenant)
    body = await request.body()
    asked = decode(_decoder, body, _WHAT)
    partition = partition_of(tenant, service.cluster.partitions)
    if service.cluster.local(partition) is not None:
        try:
            found = await service.cluster.erased(tenant, asked.texts)
        except StoreLost as lost:
            raise ApiError(503, "not_ready", str(lost)) from None
        return Response(_body(service, found), media_type="application/json")
    return Response(
        await _owner_says(request, service, partition, body), media_type="application/json"
    )


def _body(service: Service, found: list[Looked]) -> bytes:
    return msgspec.json.encode(Looks(found, None, format_time(service.clock())))


async def _owner_says(request: AnyRequest, service: Service, partition: int, body: bytes) -> bytes:
    owner = service.cluster.owner(partition)
    if owner is None or FORWARDED in request.headers:
        raise ApiError(503, "not_ready", f"no worker serves partition {partition} at the moment")
    try:
        response = await service.client.post(
            owner.url.rstrip("/") + raw_path(request),
            content=body,
            headers={FORWARDED: "1", "content-type": "application/json"},
            timeout=SECONDS,
        )
        response.raise_for_status()
    except httpx.HTTPError:
        raise ApiError(503, "not_ready", "the partition's owner gave no proper answer") from None
    return response.content
