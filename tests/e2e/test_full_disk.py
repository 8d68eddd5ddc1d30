"""A fold worker whose disk is full from a certain step on, its log's disk too.

With room again it goes on; without, it ends with the code for which it is started again.
"""

import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from tests.faults import disk

from .system import System, Worker, workerless
from .test_duplicates import calls, lines

pytestmark = pytest.mark.deep

POINTS = (
    "recovery.fenced",
    "recovery.replayed",
    "recovery.announced",
    "fold.begun",
    "fold.committed",
    "archive.sealed",
    "snapshot.checkpointed",
    "snapshot.committing",
)
STEPS = ("recovery.fenced", "fold.begun", "snapshot.checkpointed")
"""One of each kind."""
Until = Callable[..., Awaitable[None]]


@pytest.fixture(scope="module")
async def system(
    kafka: str, producer: AIOKafkaProducer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    async with workerless("full", kafka, producer, tmp_path_factory.mktemp("full")) as alone:
        yield alone


@pytest.fixture
async def full(
    system: System, until: Until, tmp_path: Path, tenant: str, request: pytest.FixtureRequest
) -> AsyncIterator[Worker]:
    """A worker whose disk has just become full, with an event that it may not have folded."""
    fold = system.worker("fold", "w0")
    own = fold._env.copy()
    fold.program = ("-m", "tests.e2e.full_disk_worker")
    fold._env["STREAMS_FAILPOINT"] = f"{request.param}@{tmp_path / 'flag'}"
    fold._env["STREAMS_SNAPSHOT_SECONDS"] = "1"
    # Set, it hides that Python tries to write at its end what it could not write before.
    fold._env.pop("PYTHONUNBUFFERED", None)
    await fold.start()
    await system.done("send", "-", stdin=lines(tenant, ["1"]))
    await until(lambda: resource.prlimit(pid(fold), resource.RLIMIT_FSIZE)[0] == 0, 60)
    fold.program, fold._env = ("-m", "streams"), own
    yield fold
    await fold.end()


def pid(worker: Worker) -> int:
    assert worker._process is not None
    return worker._process.pid


@pytest.mark.parametrize("full", POINTS, indirect=True)
async def test_it_goes_on_when_there_is_room(full: Worker, system: System, tenant: str) -> None:
    disk.empty(pid(full))
    await system.ready()
    await system.done("send", "-", "--wait", stdin=lines(tenant, ["1", "2"]))
    assert await calls(system, tenant) == 2
    assert await full.stop() == 0, full.tail()


@pytest.mark.parametrize("full", STEPS, indirect=True)
async def test_it_gives_up_where_there_is_none(
    full: Worker, system: System, tenant: str, until: Until
) -> None:
    await until(lambda: not full.running, 60)
    assert full.exit_code == 3, full.tail()
    await full.start()
    await system.ready()
    await system.done("send", "-", "--wait", stdin=lines(tenant, ["1", "2"]))
    assert await calls(system, tenant) == 2


@pytest.mark.parametrize("full", STEPS, indirect=True)
async def test_it_stops_as_ever(full: Worker) -> None:
    assert await full.stop() == 0, full.tail()
