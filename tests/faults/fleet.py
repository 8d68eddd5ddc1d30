"""The worker processes of a fault run: started, killed and started again by the plan's hand.

A worker is forked from a server that has imported it already: importing takes seconds of CPU, and a
run starts dozens. With ``spawn`` it is started by the command, as a user does.

What it says comes by a pipe into its log: on its own disk, which may be full, it would be lost.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from streams import settings as settings_of
from streams.core.errors import Failed
from streams.runtime.processes import die_with_parent, free_port
from streams.settings import Settings

KEPT_S = 5.0
"""Within this time the last that a dead worker said is in its log."""
NOT_STARTED = 4
"""Exit code of a worker that found no Kafka (the command's is 1, as that of any bug is here)."""

_forks = get_context("forkserver")
_forks.set_forkserver_preload(
    ["tests.faults.fleet", "streams.runtime.worker", "streams.adapters.s3", "tests.faults.hasten"]
)


class Worker:
    """One process of a role; name, folder and address stay the same over restarts."""

    def __init__(
        self, role: str, name: str, settings: Settings, logs: Path, *, spawn: bool = False
    ) -> None:
        self.role = role
        self.name = name
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = logs / f"{name}.log"
        self.folder = Path(settings.data) / name
        self.deaths: list[str] = []
        self._settings = settings
        self._spawn = spawn
        self._process: subprocess.Popen[bytes] | ForkServerProcess | None = None
        self._keeping: threading.Thread | None = None

    def start(self, failpoint: str = "") -> None:
        settings = self._settings
        environ = {
            "STREAMS_KAFKA": settings.kafka,
            "STREAMS_DATA": settings.data,
            "STREAMS_TOPIC_PREFIX": settings.topic_prefix,
            "STREAMS_GROUP": settings.group,
            "STREAMS_PARTITIONS": str(settings.partitions),
            "STREAMS_WORKER": self.name,
            "STREAMS_BIND": self.url.removeprefix("http://"),
            "STREAMS_FAILPOINT": failpoint,
            # A model would take the cores from what is tried here.
            "STREAMS_EMBEDDER": "none",
            # Often: a wiped disk begins from one, and kills fall into them.
            "STREAMS_SNAPSHOT_SECONDS": "2",
            "STREAMS_S3_BUCKET": settings.s3_bucket,
            "STREAMS_S3_ENDPOINT": settings.s3_endpoint,
            **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},
        }
        started = f"---- started {time.time():.2f}, failpoint {failpoint or 'none'}\n"
        said, out = _forks.Pipe(duplex=False)
        self._keeping = threading.Thread(target=_keep, args=(said, self.log, started), daemon=True)
        self._keeping.start()
        with out:
            if not self._spawn:
                self._process = _forks.Process(
                    target=_work, args=(self.role, environ, out), name=self.name
                )
                self._process.start()
                return
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams", "worker", "--role", self.role, "--json"],
                stdin=subprocess.DEVNULL,
                stdout=out.fileno(),
                stderr=subprocess.STDOUT,
                env=os.environ | environ,
                preexec_fn=die_with_parent(),
            )

    @property
    def code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        process = self._process
        assert process is not None
        return process.poll() if isinstance(process, subprocess.Popen) else process.exitcode

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self.code is None

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def died(self, seconds: float) -> int | None:
        """Wait for the process's end; None when it still lives after that many seconds."""
        end = time.monotonic() + seconds
        while self.alive and time.monotonic() < end:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.02)
        return self.code

    async def kill(self) -> None:
        """kill -9, and wait until the kernel has done it."""
        self.signal(signal.SIGKILL)
        assert await self.died(10) is not None

    def wipe(self) -> None:
        """Lose the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def tail(self, lines: int = 25) -> str:
        """Return the last lines that it said."""
        if self._keeping is not None and not self.alive:
            self._keeping.join(KEPT_S)
        try:
            text = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return "(no log)"
        return "\n".join(text[-lines:])


class Fleet:
    """All workers of a run: those that are there, and those that left for good."""

    def __init__(
        self, settings: Settings, logs: Path, roles: dict[str, int], *, spawn: bool = False
    ) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._settings, self._logs, self._spawn = settings, logs, spawn
        self._gone: set[str] = set()
        self.workers: dict[str, Worker] = {}
        for role, number in roles.items():
            for i in range(number):
                self.add(f"{role}-{i}")

    def __getitem__(self, name: str) -> Worker:
        return self.workers[name]

    def add(self, name: str) -> Worker:
        """Add a worker that is not started yet; its name begins with its role."""
        role = name.partition("-")[0]
        worker = Worker(role, name, self._settings, self._logs, spawn=self._spawn)
        self.workers[name] = worker
        return worker

    def retire(self, worker: Worker) -> None:
        """Expect it back no more; its folder stays where it is."""
        self._gone.add(worker.name)

    def members(self, role: str = "") -> list[Worker]:
        """Return those of a role (else of all) that are there or come back."""
        return [
            worker
            for name, worker in self.workers.items()
            if name not in self._gone and role in ("", worker.role)
        ]

    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.alive]

    async def stop(self) -> dict[str, tuple[int | None, float]]:
        """SIGTERM to all; returns each one's exit code (None: killed after 20 s) and seconds."""
        began = time.monotonic()
        running = self.alive()
        for worker in running:
            worker.signal(signal.SIGCONT)
            worker.signal(signal.SIGTERM)

        async def ended(worker: Worker) -> tuple[str, tuple[int | None, float]]:
            code = await worker.died(20)
            if code is None:
                await worker.kill()
            return worker.name, (code, time.monotonic() - began)

        return dict(await asyncio.gather(*(ended(worker) for worker in running)))

    async def show_tasks(self) -> None:
        """Let all that run say in their logs where they wait."""
        for worker in self.alive():
            worker.signal(signal.SIGUSR1)
        await asyncio.sleep(3)

    def kill(self) -> None:
        """Leave nothing behind."""
        for worker in self.alive():
            worker.signal(signal.SIGKILL)

    def report(self) -> str:
        """Return the last log lines of each process."""
        return "\n".join(
            f"==== {worker.name} ({'alive' if worker.alive else 'dead'})\n{worker.tail()}"
            for worker in self.workers.values()
        )


def _keep(said: Connection, log: Path, started: str) -> None:
    """Write what a worker says into its log, until it says no more."""
    with said, log.open("ab", buffering=0) as to:
        to.write(started.encode())
        while some := os.read(said.fileno(), 1 << 16):
            to.write(some)


def _work(role: str, environ: dict[str, str], out: Connection) -> None:
    """Be a worker (in a process of its own)."""
    from streams.runtime.worker import run  # noqa: PLC0415 - not needed by who starts it
    from tests.faults.hasten import hasten  # noqa: PLC0415

    with out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.environ |= environ
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGUSR1, _show_tasks)
    hasten()
    settings, _ = settings_of.load()
    try:
        code = run(role, settings, announce=lambda found: print(json.dumps(found), flush=True))
    except Failed as error:
        print(error, flush=True)
        code = NOT_STARTED
    sys.exit(code)


def _show_tasks(*_: object) -> None:
    """Say where each task of the process waits: for a run that hangs."""
    for task in asyncio.all_tasks(asyncio.get_running_loop()):
        task.print_stack(limit=3)
    sys.stderr.flush()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
