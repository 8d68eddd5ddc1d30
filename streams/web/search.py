"""Search of a tenant's memories."""

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from streams.memory import question as questions
from streams.ports import Finder, LocalPartition
from streams.web.memories import memory_answer
from streams.web.models import Found
from streams.web.parameters import After, Tenant, WaitMs, answers, check_tenant
from streams.web.request_bodies import Search
from streams.web.tenants import ERRORS, AnyRequest, TheReading, answer

TheFinder = NamedDependency[SkipValidation[Finder]]


@post(
    "/memories/search",
    status_code=200,
    tags=["read"],
    summary="The memories that answer a question best",
    description=(
        "By the words of the question and, where a model is there, by its meaning; by what stands "
        "next to a memory in its session or is related to it; by its tags, cluster, pipelines, "
        "cost_attribution and agent where the question names them; by priority, recency and use. "
        "What says the same in other words as a better one comes behind all others. "
        "Filters are exact and choose who may be found; they change no score. There is no least "
        "score: `limit` is filled whenever so many pass. Each result counts one access; with "
        "`explain` none does, and `parts` are what each score is the sum of (1 is one standard "
        "deviation). Without a model there is no part `dense`."
    ),
    operation_class=Search,
    responses=answers(Found, "Best first; ties by id", 413, *ERRORS),
)
async def search(
    request: AnyRequest,
    reading: TheReading,
    finder: TheFinder,
    tenant: Tenant,
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    check_tenant(tenant)
    body = await request.body()
    question = questions.decode(body)
    question.filters()  # refused here, before anybody waits

    async def compute(local: LocalPartition) -> msgspec.Raw:
        return await finder.find(local, tenant, question)

    return await answer(request, reading, tenant, after, wait_ms, compute, body=body)


@get("/memories/search", include_in_schema=False)
async def memory_search(
    request: AnyRequest,
    reading: TheReading,
    tenant: Tenant,
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    """The memory whose id is `search`: the router would answer that GET is not allowed there."""
    return await memory_answer(request, reading, tenant, "search", after, wait_ms)
