"""Health, readiness, metrics, and the state of every partition of every worker."""

import asyncio
from collections.abc import Callable
from typing import Annotated

import httpx
import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams import topology
from streams.core.errors import ApiError
from streams.core.time import format_time
from streams.ports import Cluster, Owner, PartitionStatus, SnapshotTaken
from streams.settings import Settings
from streams.web.models import Health, Partitions, Snapshots
from streams.web.parameters import problems

ASK_SECONDS = 5.0
DIGEST_SECONDS = 120.0
SNAPSHOT_SECONDS = 600.0


class Service(msgspec.Struct, frozen=True):
    """What these routes need."""

    cluster: Cluster
    settings: Settings
    client: httpx.AsyncClient
    clock: Callable[[], int]
    """Wall clock, microseconds."""


TheService = NamedDependency[SkipValidation[Service]]


@get("/healthz", tags=["service"], summary="Is the process alive?", sync_to_thread=False)
def healthz() -> Health:
    return Health("ok")


@get(
    "/readyz",
    tags=["service"],
    summary="Does the process do its work? (503 while it does not)",
    responses=problems(503),
    sync_to_thread=False,
)
def readyz(service: TheService) -> Health:
    waiting_for = service.cluster.ready()
    if waiting_for is not None:
        raise ApiError(503, "not_ready", waiting_for)
    return Health("ready")


@get(
    "/metrics",
    tags=["service"],
    summary="Prometheus metrics of this process",
    media_type="text/plain",
    sync_to_thread=False,
)
def metrics() -> Response[str]:
    return Response(generate_latest().decode(), media_type=CONTENT_TYPE_LATEST)


@get(
    "/v1/partitions",
    tags=["service"],
    summary="Owner, offsets, lag and state of every partition",
    description=(
        "Partitions of all workers. One whose owner does not answer has the state `unreachable`, "
        "one without an owner `unowned`. A digest covers the logical rows: equal state has an "
        "equal digest."
    ),
    responses=problems(400),
)
async def partitions(
    service: TheService,
    digest: Annotated[
        bool, QueryParameter(description="Compute digests; reads the whole state")
    ] = False,
    local: Annotated[
        bool, QueryParameter(description="Only the partitions of the process that is asked")
    ] = False,
) -> Partitions:
    here = await service.cluster.status(digest=digest)
    log = topology.name(service.settings, topology.TENANT_LOG)
    found = {status.partition: status for status in here if status.topic == log}
    control = next((status for status in here if status.topic != log), None)
    if not local:
        asked = _others(service.cluster.owners(), found)
        answers = await asyncio.gather(*(_ask(service, url, digest) for url in asked))
        for (url, owners), answer in zip(asked.items(), answers, strict=True):
            for owner in owners:
                status = answer.get(owner.partition) or _absent(
                    service, owner.partition, "unreachable", owner.worker, url
                )
                found.setdefault(owner.partition, status)
        control = control or await _control(service, digest)
        for partition in range(service.cluster.partitions):
            found.setdefault(partition, _absent(service, partition, "unowned"))
    ordered = [found[partition] for partition in sorted(found)]
    return Partitions(ordered, None, format_time(service.clock()), control)


@post(
    "/v1/snapshots",
    status_code=200,
    tags=["service"],
    summary="Take a snapshot of every partition now",
    description="Of all workers; it answers when all are in the bucket. Look at `error` of each.",
    responses=problems(400),
)
async def take_snapshots(
    service: TheService,
    local: Annotated[
        bool, QueryParameter(description="Only the partitions of the process that is asked")
    ] = False,
) -> Snapshots:
    taken = await service.cluster.snapshot()
    if not local:
        control = service.cluster.control()
        owners = service.cluster.owners() + ([] if control is None else [control])
        here = {status.url for status in await service.cluster.status(digest=False)}
        urls = sorted({owner.url for owner in owners} - here)
        for answer in await asyncio.gather(*(_snapshots_of(service, url) for url in urls)):
            taken += answer
    ordered = sorted(taken, key=lambda each: (each.topic, each.partition))
    return Snapshots(ordered, None, format_time(service.clock()))


async def _snapshots_of(service: Service, url: str) -> list[SnapshotTaken]:
    try:
        response = await service.client.post(
            f"{url.rstrip('/')}/v1/snapshots", params={"local": "1"}, timeout=SNAPSHOT_SECONDS
        )
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=Snapshots).items
    except (httpx.HTTPError, msgspec.MsgspecError) as error:
        return [SnapshotTaken("", -1, error=f"{url} does not answer: {type(error).__name__}")]


def _others(owners: list[Owner], found: dict[int, PartitionStatus]) -> dict[str, list[Owner]]:
    """Owners of partitions that are not here, by address."""
    by_url: dict[str, list[Owner]] = {}
    for owner in owners:
        if owner.partition not in found:
            by_url.setdefault(owner.url, []).append(owner)
    return by_url


async def _control(service: Service, digest: bool) -> PartitionStatus:
    """Status of the control partition, which another process has."""
    owner = service.cluster.control()
    if owner is None:
        return _absent(service, 0, "unowned", topic=topology.TENANT_CONTROL)
    answer = await _asked(service, owner.url, digest)
    return (answer and answer.control) or _absent(
        service, 0, "unreachable", owner.worker, owner.url, topic=topology.TENANT_CONTROL
    )


async def _ask(service: Service, url: str, digest: bool) -> dict[int, PartitionStatus]:
    answer = await _asked(service, url, digest)
    return {status.partition: status for status in answer.items} if answer else {}


async def _asked(service: Service, url: str, digest: bool) -> Partitions | None:
    try:
        response = await service.client.get(
            f"{url.rstrip('/')}/v1/partitions",
            params={"local": "1", "digest": str(digest).lower()},
            timeout=DIGEST_SECONDS if digest else ASK_SECONDS,
        )
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=Partitions)
    except (httpx.HTTPError, msgspec.MsgspecError):
        return None


def _absent(
    service: Service,
    partition: int,
    state: str,
    worker: str = "",
    url: str = "",
    topic: str = topology.TENANT_LOG,
) -> PartitionStatus:
    return PartitionStatus(
        topic=topology.name(service.settings, topic),
        partition=partition,
        worker=worker,
        url=url,
        state=state,
        error=None,
        offset=-1,
        end_offset=-1,
        lag=-1,
        log_time=None,
        changelog_offset=-1,
        recovered_from="",
        snapshot_age_seconds=None,
    )
