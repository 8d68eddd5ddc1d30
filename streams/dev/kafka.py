"""A real Apache Kafka node (KRaft) as a child process: for `up`, tests and demos."""

import asyncio
import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.core.errors import Failed, Misuse
from streams.dev.jars import jars, java
from streams.runtime.processes import die_with_parent, free_port, is_free, lock, write_whole

__all__ = ["EmbeddedKafka", "Membership", "jars", "java"]

_CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
_JVM = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)
_PROPERTIES = """\
process.roles=broker,controller
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
auto.create.topics.enable=false
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.num.partitions=1
message.max.bytes=9437184
replica.fetch.max.bytes=9437184
log.retention.check.interval.ms=60000
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
"""
# Every acknowledged record is on all nodes but one at least.
_COPIES = (
    "default.replication.factor={copies}",
    "min.insync.replicas={synced}",
    "offsets.topic.replication.factor={copies}",
    "transaction.state.log.replication.factor={copies}",
    "transaction.state.log.min.isr={synced}",
    "share.coordinator.state.topic.replication.factor={copies}",
    "share.coordinator.state.topic.min.isr={synced}",
)
_START_SECONDS = 120.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Membership:
    """A node's place among several."""

    node: int
    """Its id, from 1."""
    controllers: tuple[int, ...]
    """Ports of all nodes' controllers, node 1 first."""


class EmbeddedKafka:
    """One broker whose data, ports and log live in one folder.

    Parameters
    ----------
    data : Path
        Its folder; a later start on the same folder goes on with the same data and port.
    port : int, optional
        Where it listens; else the folder's last port if that is free, else a free one.
    member : Membership, optional
        Its place among several nodes; else it is alone.
    proxy : (int, int), optional
        Port of a proxy, whose clients are told that the broker is there, and the one behind it.

    Notes
    -----
    The broker dies with the *thread* that starts it (Linux), so call `start` or `spawn` from the
    main one.
    """

    def __init__(
        self,
        data: Path,
        *,
        port: int | None = None,
        member: Membership | None = None,
        proxy: tuple[int, int] | None = None,
    ) -> None:
        self.data = Path(data).absolute()
        self.port = port or 0
        self._member = member
        self._proxy = proxy
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of the broker, None while it is not started."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> Path:
        """What the broker says."""
        return self.data / "kafka.log"

    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the broker and return when it answers a metadata request.

        Raises
        ------
        Misuse
            Another process runs a broker on this folder, or the wanted port is taken.
        Failed
            No Java, no jars, or the broker ended or stayed silent; with its log's last lines.
        """
        self.spawn()
        # A thread of its own: the caller's may have a running event loop.
        with ThreadPoolExecutor(1) as waiting:
            waiting.submit(asyncio.run, self.ready()).result()

    def spawn(self) -> None:
        """Start the process (see `start`) without waiting for it."""
        command = [str(java()), *_JVM, "-cp", os.pathsep.join(map(str, jars()))]
        self.data.mkdir(parents=True, exist_ok=True)
        self._lock = self._locked()
        try:
            properties = self._configure()
            if not (self.data / "log" / "meta.properties").exists():
                self._format([*command, "kafka.tools.StorageTool", "format"], properties)
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    [*command, "kafka.Kafka", str(properties)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # A Ctrl-C in the terminal is for the parent, which stops the broker last.
                    start_new_session=True,
                    preexec_fn=die_with_parent(),
                    # The lock lives as long as either of us: it tells the truth after kill -9.
                    pass_fds=(self._lock,),
                )
        except BaseException:
            self._release()
            raise

    async def ready(self, timeout: float = _START_SECONDS) -> None:
        """Wait until the spawned broker answers a metadata request; stop it when it does not."""
        deadline = time.monotonic() + timeout
        while not await self._answers():
            if self._process is None:
                raise Failed("Kafka was stopped while it started")
            if (code := self._process.poll()) is not None:
                self._release()
                raise Failed(f"Kafka ended with exit code {code} while it started; {self._tail()}")
            if time.monotonic() > deadline:
                self.stop(0)
                raise Failed(f"Kafka did not answer within {timeout:.0f} s; {self._tail()}")
            await asyncio.sleep(0.05)

    def stop(self, timeout: float = _STOP_SECONDS) -> None:
        """Stop the broker: SIGTERM, and SIGKILL when that takes longer than ``timeout`` seconds."""
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._release()

    def kill(self) -> None:
        """End the broker as kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _locked(self) -> int:
        # A broker that was just killed with its parent may need a moment to be gone.
        deadline = time.monotonic() + 2
        while (held := lock(self.data / "lock")) is None:
            if time.monotonic() > deadline:
                raise Misuse(
                    f"another Kafka already runs on {self.data}; stop it or take another folder"
                )
            time.sleep(0.05)
        return held

    def _release(self) -> None:
        self._process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _configure(self) -> Path:
        """Choose the ports and write the properties; the ports are kept for the next start."""
        kept = self.data / "ports.json"
        try:
            before = json.loads(kept.read_text())
        except (OSError, ValueError):
            before = {}
        # Asked for, or clients know it from the last start.
        if self.port and not is_free(self.port):
            raise Misuse(f"port {self.port} is taken; choose another one for Kafka")
        last = before.get("broker")
        self.port = self.port or (last if last and is_free(last) else free_port())
        member = self._member or self._alone(before.get("controller"))
        controller = member.controllers[member.node - 1]
        write_whole(kept, json.dumps({"broker": self.port, "controller": controller}))
        here = told = f"PLAINTEXT://127.0.0.1:{self.port}"
        if self._proxy is not None:
            here += f",PROXIED://127.0.0.1:{self._proxy[1]}"
            told += f",PROXIED://127.0.0.1:{self._proxy[0]}"
        voters = (f"{i}@127.0.0.1:{port}" for i, port in enumerate(member.controllers, 1))
        nodes = len(member.controllers)
        lines = (
            *(line.format(copies=nodes, synced=max(1, nodes - 1)) for line in _COPIES),
            f"node.id={member.node}",
            f"listeners={here},CONTROLLER://127.0.0.1:{controller}",
            f"advertised.listeners={told}",
            f"controller.quorum.voters={','.join(voters)}",
            f"log.dirs={self.data / 'log'}",
        )
        properties = self.data / "server.properties"
        write_whole(properties, _PROPERTIES + "\n".join(lines) + "\n")
        return properties

    def _alone(self, controller: int | None) -> Membership:
        port = controller or free_port()
        while port == self.port or not is_free(port):
            port = free_port()
        return Membership(1, (port,))

    def _format(self, command: list[str], properties: Path) -> None:
        done = subprocess.run(
            [*command, "-t", _CLUSTER_ID, "-c", str(properties)],
            capture_output=True,
            text=True,
            preexec_fn=die_with_parent(),
        )
        if done.returncode:
            raise Failed(
                f"could not format {self.data} for Kafka: {done.stdout}{done.stderr}".strip()
            )

    def _tail(self, lines: int = 12) -> str:
        said = [
            line
            for line in self.log.read_text(errors="replace").splitlines()
            # Frames of a stack trace would push the reason out.
            if not line.startswith(("\tat ", "\t..."))
        ]
        return f"its log ({self.log}) ends with:\n" + "\n".join(said[-lines:] or ["(nothing)"])

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
        except OSError:
            return False
        client = AIOKafkaClient(bootstrap_servers=self.bootstrap, request_timeout_ms=2000)
        try:
            await client.bootstrap()
            return any(broker.port == self.port for broker in client.cluster.brokers())
        except KafkaError:
            return False  # not yet
        finally:
            await client.close()
