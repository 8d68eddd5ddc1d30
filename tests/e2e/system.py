"""A running installation on the run's broker: worker processes as a user starts them."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams import topology
from streams.runtime import topics
from streams.runtime.processes import die_with_parent, free_port
from streams.settings import Settings

START_S = 40.0
STOP_S = 15.0
"""What the contract allows for SIGTERM."""

Headers = Sequence[tuple[str, bytes]]


class Ended(NamedTuple):
    """What a command has said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class At(NamedTuple):
    """Where a record lies; its text is what ``after`` takes."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


class Worker:
    """One worker process; started again it keeps its name and its port."""

    def __init__(self, role: str, name: str, env: Mapping[str, str], logs: Path) -> None:
        self.role = role
        self.name = name
        self.log = logs / f"{name}-{role}.log"
        self.announced: dict[str, Any] = {}
        self.program: tuple[str, ...] = ("-m", "streams")
        self._env = {**env, "STREAMS_WORKER": name}
        self._listen_on(free_port())
        self._process: Process | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Start; returns when the process has said where it listens."""
        while not (line := await self._first_line()):
            assert self._process is not None
            code = await self._process.wait()
            taken = not self.announced and "can't listen" in self.tail()
            assert taken, f"ended with {code}: {self.tail()}"
            # Somebody else was quicker to take the port that was free.
            self._listen_on(free_port())
        self.announced = json.loads(line)

    def _listen_on(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._env["STREAMS_BIND"] = f"127.0.0.1:{port}"

    async def _first_line(self) -> bytes:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, *self.program, "worker", "--role", self.role, "--json"),
                env=self._env,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=log,
                preexec_fn=die_with_parent(),
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_S):
            return await self._process.stdout.readline()

    async def kill(self) -> None:
        """Kill -9."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM; the exit code, within what the contract allows."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            return await self._process.wait()

    async def end(self) -> None:
        """End it, whatever state it is in."""
        if self.running:
            try:
                await self.stop()
            except TimeoutError:
                await self.kill()

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


class System:
    """Workers of one installation, and what a user has to talk to them."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        self.settings = settings
        self.workers: dict[str, Worker] = {}
        self.http = httpx.AsyncClient(trust_env=False, timeout=60)
        self._producer = producer
        self._env = environment(settings)
        Path(settings.data).mkdir(parents=True, exist_ok=True)

    def name(self, short: str) -> str:
        return topology.name(self.settings, short)

    def worker(self, role: str, name: str) -> Worker:
        """The worker of that name; made at the first call."""
        key = f"{role}/{name}"
        if key not in self.workers:
            self.workers[key] = Worker(role, name, self._env, Path(self.settings.data))
        return self.workers[key]

    async def up(self, folds: int) -> None:
        """Create the topics and start one admit worker and some fold workers."""
        await topics.ensure(self.settings)
        started = [
            self.worker("admit", "w0"),
            *(self.worker("fold", f"w{n}") for n in range(folds)),
        ]
        await asyncio.gather(*(worker.start() for worker in started))
        await self.ready()

    async def ready(self, seconds: float = START_S) -> None:
        """Wait until every running process does its work."""
        last = ""
        try:
            async with asyncio.timeout(seconds):
                for worker in self.workers.values():
                    while worker.running:
                        status, last = await self.readyz(worker)
                        if status == 200:
                            break
                        await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not ready: {last}") from None

    async def readyz(self, worker: Worker) -> tuple[int, str]:
        try:
            answer = await self.http.get(f"{worker.url}/readyz")
        except httpx.TransportError as error:
            return 0, repr(error)
        return answer.status_code, answer.text

    async def down(self) -> None:
        await asyncio.gather(*(worker.end() for worker in self.workers.values()))
        await self.http.aclose()

    # -- the API -----------------------------------------------------------------------------

    @property
    def api(self) -> str:
        """An admit worker's: it folds nothing, so each answer of a tenant is forwarded."""
        return next(w.url for w in self.workers.values() if w.role == "admit" and w.running)

    def tenant(self, tenant: str, path: str, api: str = "") -> str:
        return f"{api or self.api}/v1/tenants/{tenant}/{path}"

    async def get(self, tenant: str, path: str, *, api: str = "", **query: Any) -> Any:
        """Body of a read that must succeed."""
        answer = await self.http.get(self.tenant(tenant, path, api), params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def command(self, tenant: str, type_: str, **data: Any) -> Any:
        """Audit record of a command that must be done."""
        url = self.tenant(tenant, "commands?wait=true&wait_ms=30000")
        answer = await self.http.post(url, json={"type": type_, "data": data})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def partitions(self) -> list[dict[str, Any]]:
        answer = await self.http.get(f"{self.api}/v1/partitions")
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    # -- Kafka -------------------------------------------------------------------------------

    async def send(
        self,
        short: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        partition: int = 0,
    ) -> At:
        """Produce one record as it is; send() would assert on one without key and value."""
        batch = self._producer.create_batch()
        batch.append(key=key, value=value, timestamp=None, headers=list(headers))
        future = await self._producer.send_batch(batch, self.name(short), partition=partition)
        done = await future
        return At(done.topic, done.partition, done.offset)

    async def records(self, short: str) -> list[Any]:
        """All committed records of a topic, a partition after the other."""
        return await committed(self.settings.kafka, self.name(short))

    async def of_tenant(self, short: str, tenant: str) -> list[Any]:
        """Committed records of a topic that are a tenant's, oldest first."""
        return [r for r in await self.records(short) if r.key == tenant.encode()]

    async def recreate(self, short: str) -> None:
        """Delete a topic and make it anew, as somebody may by mistake."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka)
        await admin.start()
        try:
            name = self.name(short)
            await admin.delete_topics([name])
            async with asyncio.timeout(20):
                while name in await admin.list_topics():  # noqa: ASYNC110 - Kafka tells nobody
                    await asyncio.sleep(0.05)
            await topics.ensure(self.settings)
        finally:
            await admin.close()

    # -- the command line ----------------------------------------------------------------------

    async def cli(self, *arguments: str, stdin: bytes | None = None) -> Ended:
        """Run `streams ...` as a user does."""
        env = {**self._env, "STREAMS_API": self.api}
        return await cli(env, *arguments, stdin=stdin)

    async def done(self, *arguments: str, stdin: bytes | None = None) -> Any:
        """JSON that a command prints; it must succeed and say nothing else."""
        ended = await self.cli(*arguments, "--json", stdin=stdin)
        assert (ended.code, ended.err) == (0, ""), ended
        return ended.json


async def cli(env: Mapping[str, str], *arguments: str, stdin: bytes | None = None) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams", *arguments),
        env=dict(env),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        preexec_fn=die_with_parent(),
    )
    try:
        async with asyncio.timeout(120):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


def environment(settings: Settings) -> dict[str, str]:
    """Environment of a process of this installation."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("STREAMS_")}
    return own | {
        "STREAMS_KAFKA": settings.kafka,
        "STREAMS_DATA": settings.data,
        "STREAMS_TOPIC_PREFIX": settings.topic_prefix,
        "STREAMS_GROUP": settings.group,
        "STREAMS_PARTITIONS": str(settings.partitions),
        "STREAMS_TICK_SECONDS": str(settings.tick_seconds),
        "STREAMS_EMBEDDER": settings.embedder,
        "STREAMS_WORKING_LIMIT": str(settings.working_limit),
        "STREAMS_ARCHIVE_SECONDS": str(settings.archive_seconds),
    }


async def committed(bootstrap: str, topic: str) -> list[Any]:
    """All records of a topic as a read_committed consumer sees them."""
    found: list[Any] = []
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        max_partition_fetch_bytes=8 << 20,
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    try:
        await consumer._client._wait_on_metadata(topic)
        parts = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        ends = await consumer.end_offsets(parts)
        async with asyncio.timeout(30):
            for part in parts:
                while await consumer.position(part) < ends[part]:
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        found += records
    finally:
        await consumer.stop()
    return sorted(found, key=lambda record: (record.partition, record.offset))


@asynccontextmanager
async def running(
    settings: Settings, producer: AIOKafkaProducer, folds: int = 1
) -> AsyncIterator[System]:
    """An installation that works, until the context ends."""
    system = System(settings, producer)
    try:
        await system.up(folds)
        yield system
    finally:
        await system.down()


def workerless(
    name: str, kafka: str, producer: AIOKafkaProducer, data: Path
) -> AbstractAsyncContextManager[System]:
    """An installation of its own, of two partitions, whose fold workers a test starts itself."""
    settings = Settings(
        kafka=kafka,
        topic_prefix=f"{name}-",
        group=f"{name}-streams",
        partitions=2,
        data=str(data),
    )
    return running(settings, producer, folds=0)
