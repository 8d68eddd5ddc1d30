"""The embedded broker as `up` and the tests need it; real processes, real records."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.core.errors import Failed, Misuse
from streams.dev.kafka import EmbeddedKafka
from streams.runtime.processes import free_port

Until = Callable[..., Awaitable[None]]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A broker that the tests of this file may stop and kill; running at each test's start."""
    broker = EmbeddedKafka(tmp_path_factory.mktemp("own-kafka"))
    yield broker
    broker.stop()


@pytest.fixture(autouse=True)
def _started(request: pytest.FixtureRequest) -> None:
    if "broker" in request.fixturenames:
        broker = request.getfixturevalue("broker")
        if not broker.running():
            broker.start()


@asynccontextmanager
async def producing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=9 << 20)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def create(bootstrap: str, name: str, **configs: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=configs)])
    finally:
        await admin.close()


async def lengths(bootstrap: str, topic: str) -> list[int]:
    """Sizes of all values of a topic's one partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        found = []
        async with asyncio.timeout(20):
            while len(found) < end:
                found.append(len((await consumer.getone()).value))
        return found
    finally:
        await consumer.stop()


@pytest.mark.deep
async def test_takes_records_of_8_mib(broker: EmbeddedKafka) -> None:
    await create(broker.bootstrap, "big", **{"max.message.bytes": str((8 << 20) + 1024)})
    async with producing(broker.bootstrap) as producer:
        await producer.send_and_wait("big", b"x" * (8 << 20), partition=0)
    assert await lengths(broker.bootstrap, "big") == [8 << 20]


async def test_makes_no_topic_by_itself(broker: EmbeddedKafka) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.describe_topics(["nobody.made.this"])
        assert "nobody.made.this" not in await admin.list_topics()
    finally:
        await admin.close()


@pytest.mark.deep
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_goes_on_with_its_data_on_its_port(
    broker: EmbeddedKafka, end: signal.Signals
) -> None:
    topic = f"kept-{end.name}"
    await create(broker.bootstrap, topic)
    async with producing(broker.bootstrap) as producer:
        await producer.send_and_wait(topic, b"123", partition=0)
    before = broker.bootstrap
    assert broker.pid is not None
    os.kill(broker.pid, end)
    broker.stop()
    assert not broker.running()
    again = EmbeddedKafka(broker.data)
    with again:
        assert again.bootstrap == before
        assert await lengths(again.bootstrap, topic) == [3]


@pytest.mark.deep
def test_a_second_start_on_the_same_folder_refuses(broker: EmbeddedKafka) -> None:
    with pytest.raises(Misuse, match=f"already runs on {broker.data}"):
        EmbeddedKafka(broker.data).start()
    assert broker.running()


def test_refuses_a_port_that_is_taken(broker: EmbeddedKafka, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=f"port {broker.port} is taken"):
        EmbeddedKafka(tmp_path, port=broker.port).start()


def test_stop_may_be_called_at_any_time(tmp_path: Path) -> None:
    never = EmbeddedKafka(tmp_path)
    never.stop()
    assert never.pid is None


def test_says_what_its_log_says_when_it_cannot_start(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=x\n")
    with pytest.raises(Failed) as failed:
        EmbeddedKafka(tmp_path, port=free_port()).start()
    assert "exit code 1" in str(failed.value)
    assert "node id" in str(failed.value)  # Kafka's own words


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
async def test_dies_with_a_parent_that_is_killed(tmp_path: Path, until: Until) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from streams.dev.kafka import EmbeddedKafka\n"
        "k = EmbeddedKafka(Path(sys.argv[1]))\nk.spawn()\nprint(k.pid, flush=True)\n"
        "time.sleep(600)"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path), stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert _alive(child)
    parent.kill()
    await parent.wait()
    await until(lambda: not _alive(child))


def _alive(pid: int) -> bool:
    """Whether it exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
