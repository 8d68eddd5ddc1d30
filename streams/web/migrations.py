"""Schema versions of the rows of every partition, and their migration while folding goes on."""

import asyncio
from typing import Annotated

import httpx
import msgspec
from litestar import get, post
from litestar.params import QueryParameter

from streams import topology
from streams.core.errors import ApiError
from streams.core.time import format_time
from streams.ports import MigrationStatus
from streams.web.models import Migrations
from streams.web.parameters import problems
from streams.web.service import Service, TheService

SECONDS = 600.0
PATH = "/v1/migrations"

Local = Annotated[
    bool, QueryParameter(description="Only the partitions of the process that is asked")
]


@get(
    PATH,
    tags=["service"],
    summary="In which schema versions the rows of every partition are",
    description="`error` says why one can't be told.",
    responses=problems(400),
)
async def migrations(
    service: TheService,
    rows: Annotated[bool, QueryParameter(description="Count rows; reads the whole state")] = False,
    local: Local = False,
) -> Migrations:
    found = await service.cluster.migrations(rows=rows)
    if not local:
        found = await _of_all(service, found, "GET", {"rows": str(rows).lower()})
    return _body(service, found)


@post(
    PATH,
    status_code=200,
    tags=["service"],
    summary="Bring all rows up to the schema, or to the newest one",
    description=(
        "It answers at once; owners rewrite older rows a part at a time while they go on folding, "
        "and `rewriting` says so. `finalize` raises the schema to the newest that the workers "
        "know: workers of an older version can't take partitions over any more then. 409 while "
        "they don't all know the same, or a partition has no owner."
    ),
    responses=problems(400, 409),
)
async def migrate(
    service: TheService,
    finalize: Annotated[
        bool, QueryParameter(description="Write rows of the newest schema from now on")
    ] = False,
    local: Local = False,
) -> Migrations:
    if local:
        await service.cluster.migrate(finalize=finalize)
        return _body(service, await service.cluster.migrations(rows=False))
    found = await _of_all(service, await service.cluster.migrations(rows=False), "GET", {})
    _check(found, finalize)
    await service.cluster.migrate(finalize=finalize)
    here = await service.cluster.migrations(rows=False)
    wanted = {"finalize": str(finalize).lower()}
    return _body(service, await _of_all(service, here, "POST", wanted))


def _check(found: list[MigrationStatus], finalize: bool) -> None:
    """See to it that whoever takes a partition over next can read what is written."""
    missing = [f"{each.topic}[{each.partition}]: {each.error}" for each in found if each.error]
    if missing:
        raise ApiError(409, "conflict", missing[0])
    known = {each.newest: each.worker for each in found}
    if finalize and len(known) > 1:
        told = ", ".join(f"{worker} {newest}" for newest, worker in sorted(known.items()))
        raise ApiError(409, "conflict", f"workers don't know the same newest schema: {told}")


async def _of_all(
    service: Service, here: list[MigrationStatus], method: str, query: dict[str, str]
) -> list[MigrationStatus]:
    """What all workers say, and of which partitions nobody does."""
    cluster = service.cluster
    control = cluster.control()
    owners = cluster.owners() + ([] if control is None else [control])
    own = {status.url for status in await cluster.status(digest=False)}
    urls = sorted({owner.url for owner in owners} - own)
    answers = await asyncio.gather(*(_asked(service, url, method, query) for url in urls))
    found = {(s.topic, s.partition): s for answer in answers for s in answer}
    found |= {(status.topic, status.partition): status for status in here}
    for short, count in ((topology.TENANT_LOG, cluster.partitions), (topology.TENANT_CONTROL, 1)):
        topic = topology.name(service.settings, short)
        for partition in range(count):
            nobody = MigrationStatus(topic, partition, error="no worker has it now")
            found.setdefault((topic, partition), nobody)
    return list(found.values())


async def _asked(
    service: Service, url: str, method: str, query: dict[str, str]
) -> list[MigrationStatus]:
    try:
        response = await service.client.request(
            method, f"{url.rstrip('/')}{PATH}", params={"local": "1", **query}, timeout=SECONDS
        )
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=Migrations).items
    except (httpx.HTTPError, msgspec.MsgspecError):
        return []


def _body(service: Service, found: list[MigrationStatus]) -> Migrations:
    ordered = sorted(found, key=lambda each: (each.topic, each.partition))
    return Migrations(ordered, None, format_time(service.clock()))
