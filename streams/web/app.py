"""Puts the HTTP API together: a Litestar app over a cluster's state and a producer."""

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import unquote

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.types import Receive, Scope, Send

from streams import topology
from streams.ports import Cluster, Finder, Producer, QueryEmbedder
from streams.settings import Settings
from streams.web import (
    docs,
    embedding,
    erasures,
    jobs,
    memories,
    migrations,
    problems,
    quota,
    reservations,
    search,
    service,
    state,
    tenants,
    writes,
)
from streams.web.guards import loopback_only
from streams.web.intake import Check
from streams.web.reading import Reading, internal_client

_REQUESTS = ("http", "websocket")
_SLASH = re.compile(rb"%(2[Ff]|25)")


class Api(Litestar):
    """Litestar, but a slash that is escaped in a path does not cut it: names may hold slashes.

    In the parts of a path that handlers get, %2F and %25 stay as they are; the rest is decoded.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        if scope["type"] in _REQUESTS and b"%" in (raw := scope["raw_path"]):
            kept = _SLASH.sub(rb"%25\1", raw.partition(b"?")[0])
            scope["path"] = unquote(kept.decode("ascii"))
        await super().__call__(scope, receive, send)


def wall_clock() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def create_app(
    *,
    cluster: Cluster,
    producer: Producer,
    check: Check,
    settings: Settings,
    finder: Finder,
    embedder: QueryEmbedder | None = None,
    clock: Callable[[], int] = wall_clock,
) -> Litestar:
    """Make the API of one process.

    Parameters
    ----------
    cluster : Cluster
        What this process folds and who folds the rest. ``admitted`` raises LookupError for a
        partition that does not exist.
    producer : Producer
        Sends what users post; raises Failed when Kafka does not acknowledge.
    check : callable
        Admit's decoder: (short topic, key, value, headers); raises Refused.
    finder : Finder
        Searches memories of the partitions that this process folds.
    embedder : QueryEmbedder, optional
        This process's model, for the questions of all workers.
    clock : callable
        Wall clock, microseconds; only for what is shown.
    """
    client = internal_client()
    reading = Reading(cluster, settings, client)
    writing = writes.Writing(producer, check, settings)
    serving = service.Service(cluster, settings, client, clock)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with client:
            yield

    tenant = Router(
        "/v1/tenants/{tenant:str}",
        route_handlers=[
            tenants.usage,
            tenants.budgets,
            quota.quota,
            erasures.erasures,
            erasures.verify,
            tenants.alerts,
            tenants.audit,
            reservations.reserve,
            reservations.settle,
            reservations.reservation,
            jobs.runs,
            writes.messages,
            writes.jobs,
            writes.commands,
            writes.context,
            search.search,
            search.memory_search,
            memories.memories,
            memories.memory,
            state.states,
            state.state,
            state.set_state,
            state.delete_state,
        ],
    )
    return Api(
        route_handlers=[
            docs.root,
            docs.openapi_json,
            service.healthz,
            service.readyz,
            service.metrics,
            service.partitions,
            service.take_snapshots,
            migrations.migrations,
            migrations.migrate,
            embedding.embed,
            tenant,
        ],
        dependencies={
            "reading": Provide(lambda: reading, sync_to_thread=False),
            "finder": Provide(lambda: finder, sync_to_thread=False),
            "model": Provide(lambda: embedding.Model(embedder), sync_to_thread=False),
            "writing": Provide(lambda: writing, sync_to_thread=False),
            "service": Provide(lambda: serving, sync_to_thread=False),
        },
        before_request=loopback_only,
        exception_handlers=problems.HANDLERS,
        request_max_body_size=topology.INPUT_MAX_BYTES,
        openapi_config=docs.config(),
        lifespan=[lifespan],
        # The process's own logging stands; no environment variable opens tracebacks.
        logging_config=None,
        debug=False,
    )
