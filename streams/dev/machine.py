"""Everything on one machine: Kafka, topics, workers and the one API address; what `up` runs.

Started in this order, each kept running, stopped in the reverse order within 15 seconds:
Kafka (unless one is given) -> topics -> N admit and N fold processes -> gateway API.
"""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from streams.adapters.embedding.choice import choose
from streams.core.errors import Failed, Misuse
from streams.dev.data_folder import UP_FILE, claim
from streams.dev.jars import jars
from streams.dev.kafka import EmbeddedKafka
from streams.dev.readiness import all_ready
from streams.runtime import topics
from streams.runtime.processes import free_port, is_free, loopback_address, write_whole
from streams.runtime.supervisor import Program, Supervisor
from streams.settings import Settings

ROLES = ("admit", "fold")
Prepare = Callable[[Settings], Awaitable[None]]
# Together below the 15 s within which `up` must be gone.
_WORKERS_STOP_SECONDS = 7.0
_GATEWAY_STOP_SECONDS = 2.0
_KAFKA_STOP_SECONDS = 4.0


class Machine:
    """One data folder and all that runs on it.

    Parameters
    ----------
    settings : Settings
        ``kafka`` empty means an embedded one in the data folder.
    workers : int
        Number of processes of each role.
    port : int, optional
        Of the API; else that of STREAMS_BIND, else the folder's last one, else a free one.
    progress, warn : callable
        Take a line for a person: what is being done; what went wrong and is being mended.
    prepare : callable, optional
        Awaited when Kafka and the topics are there, before any worker starts.
    env : mapping, optional
        More of the workers' environment.

    Raises
    ------
    Misuse
        The port is taken, STREAMS_BIND is not loopback, or the model that STREAMS_EMBEDDER names is
        not there.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        workers: int,
        port: int | None,
        progress: Callable[[str], None],
        warn: Callable[[str], None],
        prepare: Prepare | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.data = Path(settings.data).absolute()
        self.settings = msgspec.structs.replace(settings, data=str(self.data))
        if settings.embedder != "auto":
            # The workers would say so one by one, and again and again.
            choose(settings.embedder, self.data)
        self._wanted_port = _checked_port(f"127.0.0.1:{port}" if port else settings.bind)
        self._progress = progress
        self._warn = warn
        self._prepare = prepare
        self._env = dict(env or {})
        self._names = [f"{role}-{n}" for role in ROLES for n in range(workers)]
        self._urls: dict[str, str] = {}
        self._pids: dict[str, int] = {}
        self._kafka: EmbeddedKafka | None = None
        self._api = ""
        self._ready = False

    def document(self) -> dict[str, Any]:
        """What the ready line and up.json say, now."""
        return {
            "ready": True,
            "kafka": self.settings.kafka,
            "api": self._api,
            "data": str(self.data),
            "workers": [
                {
                    "role": name.partition("-")[0],
                    "pid": self._pids[name],
                    "api": self._urls[name],
                    "name": name,
                }
                for name in self._names
            ],
            "kafka_pid": self._kafka.pid if self._kafka else None,
            "pid": os.getpid(),
        }

    async def run(self, on_ready: Callable[[], None]) -> NoReturn:
        """Start all, say when it serves, keep it running until cancelled.

        Raises
        ------
        Misuse
            The folder is in use or can't be used, a port is taken, a topic is not as it must be.
        Failed
            Something did not start.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(claim(self.data))
            _log_to(self.data / "logs" / "up.log")
            await self._start_kafka(stack)
            # It takes a second or two, and Kafka is starting meanwhile.
            from streams.runtime.gateway import serve  # noqa: PLC0415

            if self._kafka is not None:
                await self._kafka.ready()
            self._progress("creating topics")
            await topics.ensure(self.settings)
            if self._prepare is not None:
                await self._prepare(self.settings)
            self._progress(f"starting {len(self._names)} workers")
            supervisor = await stack.enter_async_context(self._supervisor())
            self._api = await stack.enter_async_context(
                _bounded(serve(self.settings, self._port()), _GATEWAY_STOP_SECONDS)
            )
            watching = asyncio.gather(self._keep_kafka(), supervisor.failed())
            stack.callback(watching.cancel)
            urls = {**self._urls, "the API": self._api}
            await _first(all_ready(supervisor, urls, self.data / "logs"), watching)
            self._ready = True
            self._write()
            # A clean end leaves no address behind that nobody serves.
            stack.callback((self.data / UP_FILE).unlink, missing_ok=True)
            on_ready()
            await watching
        raise AssertionError("unreachable: what is watched never ends by itself")

    async def _start_kafka(self, stack: AsyncExitStack) -> None:
        """Start the embedded broker's process if no broker is given."""
        if self.settings.kafka:
            return
        self._progress("starting Kafka")
        await _in_background(jars)  # perhaps a download
        kafka = self._kafka = EmbeddedKafka(self.data / "kafka")
        stack.callback(lambda: kafka.stop(_KAFKA_STOP_SECONDS))
        kafka.spawn()
        self.settings = msgspec.structs.replace(self.settings, kafka=kafka.bootstrap)

    async def _keep_kafka(self) -> None:
        """Start the embedded broker again whenever it ends; never returns."""
        if (kafka := self._kafka) is None:
            await asyncio.get_running_loop().create_future()
            return
        while True:
            await asyncio.sleep(0.2)
            if kafka.running():
                continue
            self._warn("Kafka ended; starting it again on the same port with the same data")
            try:
                kafka.stop()
                kafka.spawn()
                await kafka.ready()
                self._write()
            except (Failed, Misuse) as error:
                self._warn(str(error))
                await asyncio.sleep(2)

    def _port(self) -> int:
        """The API's port, kept in the folder so that an address stays valid over restarts."""
        if self._wanted_port:
            return self._wanted_port
        kept = self.data / "api.port"
        with suppress(OSError, ValueError):
            last = int(kept.read_text())
            if is_free(last):
                return last
        port = free_port()
        write_whole(kept, str(port))
        return port

    def _supervisor(self) -> Supervisor:
        programs = []
        for name in self._names:
            bind = f"127.0.0.1:{free_port()}"
            self._urls[name] = f"http://{bind}"
            role = name.partition("-")[0]
            argv = (sys.executable, "-m", "streams", "worker", "--role", role, "--name", name)
            programs.append(
                Program(
                    name=name,
                    argv=(*argv, "--json"),
                    env={
                        "STREAMS_BIND": bind,
                        "STREAMS_KAFKA": self.settings.kafka,
                        "STREAMS_DATA": self.settings.data,
                        "STREAMS_WORKER": name,
                    }
                    | self._env,
                    log=self.data / "logs" / f"{name}.log",
                )
            )
        supervisor = Supervisor(
            programs,
            on_change=lambda name: self._changed(supervisor, name),
            stop_seconds=_WORKERS_STOP_SECONDS,
        )
        return supervisor

    def _changed(self, supervisor: Supervisor, name: str) -> None:
        state = supervisor.states[name]
        if state.pid is None:
            if self._ready:
                self._warn(f"{name} ended (exit code {state.exit_code}); starting it again")
        elif self._pids.get(name) != state.pid:
            self._pids[name] = state.pid
            self._write()

    def _write(self) -> None:
        if self._ready:
            text = msgspec.json.encode(self.document()).decode()
            try:
                write_whole(self.data / UP_FILE, text + "\n")
            except OSError as error:
                # What runs runs on, on a full disk too; the next change is written again.
                self._warn(f"{UP_FILE} does not say all of what is running: {error}")


def _log_to(path: Path) -> None:
    """This process's own log, mostly the API's; stderr is for what a person should see."""
    path.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=path,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


def _checked_port(bind: str) -> int:
    """Port of ADDRESS:PORT (0: any), known to be loopback and free."""
    host, port = loopback_address(bind)
    if port and not is_free(port, host):
        raise Misuse(f"port {port} is taken; choose another one with --port")
    return port


@asynccontextmanager
async def _bounded(context: AbstractAsyncContextManager[str], seconds: float) -> AsyncIterator[str]:
    """Leave a context within a time, whatever it does."""
    value = await context.__aenter__()
    try:
        yield value
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await context.__aexit__(None, None, None)


async def _first(work: Coroutine[Any, Any, None], watching: "asyncio.Future[Any]") -> None:
    """Wait for the work, but end at once when what is watched fails."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait((task, watching), return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        await task
    finally:
        task.cancel()


async def _in_background(work: Callable[[], object]) -> None:
    """Run blocking work in a thread that does not keep the process alive when it is told to end."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def settle(error: Exception | None) -> None:
        if not done.done():
            done.set_exception(error) if error else done.set_result(None)

    def run() -> None:
        failure: Exception | None = None
        try:
            work()
        except Exception as error:  # handed to the one who waits
            failure = error
        with suppress(RuntimeError):  # the loop is gone: nobody waits any more
            loop.call_soon_threadsafe(settle, failure)

    threading.Thread(target=run, daemon=True).start()
    await done
