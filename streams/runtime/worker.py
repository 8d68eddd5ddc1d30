"""One worker process: the Faust app of its role, its owners or writers, and the API."""

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, Protocol, TextIO

from aiokafka.errors import KafkaError

from streams.core.errors import Failed, Misuse
from streams.runtime import failpoints, topics
from streams.runtime.admit_role import AdmitRole
from streams.runtime.app import App, quiet_libraries
from streams.runtime.clients import ApiProducer, Inquiry
from streams.runtime.cluster import KafkaCluster
from streams.runtime.embedding import Embedding
from streams.runtime.fold_role import FoldRole
from streams.runtime.http import listen, serving, url_of
from streams.runtime.object_store import open_bin
from streams.runtime.owner import PartitionOwner
from streams.runtime.ownership import Ownership, embedder_record
from streams.runtime.query_vectors import QueryVectors
from streams.runtime.recovery import no_room
from streams.runtime.search import Search
from streams.runtime.snapshotter import Snapshotter
from streams.runtime.verifying import Verifier
from streams.settings import Settings

log = logging.getLogger(__name__)

EXIT_GAVE_UP = 3
STOP_S = 12.0
END_S = 14.0
"""After SIGTERM a process is gone by then, whatever a broker or a bucket lets it wait for."""


class _LogHandler(logging.StreamHandler[TextIO]):
    """Keeps still about lines that can't be written, since stderr may be a file on a full disk.

    A little waits there until there is room: it has to be the lines themselves.
    """

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


class Role(Protocol):
    """What differs between an admit and a fold worker."""

    app: App
    owners: dict[int, PartitionOwner]
    embedding: Embedding | None

    @property
    def snapshotter(self) -> Snapshotter | None: ...
    @property
    def others(self) -> Iterable[PartitionOwner]: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def ready(self) -> str | None: ...


def run(role: str, settings: Settings, *, announce: Callable[[dict[str, Any]], None]) -> int:
    """Run one role until SIGTERM or SIGINT; returns the exit code.

    Raises
    ------
    Misuse
        The worker's folder is in use, the address can't be listened on, or the model that
        STREAMS_EMBEDDER names can't be loaded.
    Failed
        Kafka can't be reached.
    OSError
        What this needs of the machine is not there; a full disk is told of by `EXIT_GAVE_UP`.
    """
    logging.basicConfig(
        handlers=[_LogHandler(sys.stderr)],
        level=logging.INFO,
        format=f"%(asctime)s %(levelname)s {settings.worker} {role} %(name)s: %(message)s",
    )
    quiet_libraries()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        failpoints.arm(settings.failpoint)
    except ValueError as error:
        raise Misuse(str(error)) from None
    folder = Path(settings.data) / settings.worker
    try:
        with _locked(folder / f"{role}.lock"):
            embedding = Embedding.of(settings) if role == "admit" else None
            return asyncio.run(_Worker(role, settings, folder, announce, embedding).run())
    except OSError as error:
        if not no_room(error):
            raise
        log.error("giving up: the disk of %s is full, make room there: %s", folder, error)
        return EXIT_GAVE_UP


@contextlib.contextmanager
def _locked(path: Path) -> Any:
    """Keep a second process of the same name off this folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        _lock(handle, path.parent)
        yield


def _lock(handle: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Misuse(f"{folder} is in use by another worker of this name") from None


def _spare_the_collector() -> None:
    """Rows and records hold no cycles; looking for some costs a fifth of folding by default."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


class _Worker:
    def __init__(
        self,
        role: str,
        settings: Settings,
        folder: Path,
        announce: Callable[[dict[str, Any]], None],
        embedding: Embedding | None,
    ) -> None:
        self._name = role
        self._embedding = embedding
        self._settings = settings
        self._folder = folder
        self._announce = announce
        self._stop = asyncio.Event()
        self._exit = 0

    def _give_up(self, why: str) -> None:
        log.error("giving up: %s", why)
        self._exit = EXIT_GAVE_UP
        self._end()

    def _end(self) -> None:
        """Stop in time, also what has not even started: a start may wait for Kafka."""
        end_by(END_S, self._exit)
        self._stop.set()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        listening = listen(self._settings.bind)
        url = url_of(listening)
        ownership = Ownership(self._settings)
        producer = ApiProducer(self._settings.kafka)
        inquiry = Inquiry(self._settings.kafka)
        await topics.check(self._settings)
        try:
            await producer.start()
            await ownership.start()
            await inquiry.start()
        except KafkaError as error:
            await asyncio.gather(producer.stop(), inquiry.stop())
            raise Failed(f"no Kafka broker answers at {self._settings.kafka}: {error}") from None
        given = (self._settings, self._folder, url, ownership, inquiry, self._give_up)
        verifier: Verifier | None = None
        role: Role
        if self._name == "admit":
            role = AdmitRole(*given, self._embedding)
        else:
            into = open_bin(self._settings)
            role = FoldRole(*given, snapshots=into)
            verifier = Verifier(self._settings, self._folder, inquiry, into)
        cluster = KafkaCluster(
            self._settings,
            ownership,
            inquiry,
            role.owners,
            role.ready,
            lambda: role.others,
            role.snapshotter,
            verifier,
        )
        vectors = QueryVectors(ownership.embedders)
        search = Search(0)
        if isinstance(role, FoldRole):
            limit, count = self._settings.memory_bytes, role.accesses.count
            search = Search(limit, embed=vectors.of, count=count)
        watch = None
        try:
            async with serving(
                listening, self._settings, cluster, producer, search, self._embedding
            ):
                self._announce({"role": self._name, "pid": os.getpid(), "api": url})
                _spare_the_collector()
                try:
                    await role.start()
                    await self._tell_of_model(ownership, producer, url)
                    await role.app.start()
                except KafkaError as error:
                    at = self._settings.kafka
                    raise Failed(f"Kafka at {at} was lost while this started: {error}") from None
                watch = asyncio.create_task(self._watch(role.app), name="watch")
                await self._stop.wait()
                await self._shut_down(role)
        finally:
            if watch is not None:
                watch.cancel()
            for client in (search, vectors, inquiry, producer, ownership):
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(client.stop(), 2.0)
        return self._exit

    async def _tell_of_model(self, ownership: Ownership, producer: ApiProducer, url: str) -> None:
        """Say to the fold workers where questions are embedded, or that it is here no more."""
        here = None if self._embedding is None else url
        if self._name == "admit" and ownership.embedders.get(self._settings.worker) != here:
            await producer.produce([embedder_record(self._settings, here)])

    async def _watch(self, app: App) -> None:
        """End the process when Faust's app has ended by itself: it may do so with exit code 0."""
        await app.wait_until_stopped()
        if not self._stop.is_set():
            self._give_up(f"the stream app ended: {app.crash_reason!r}")

    async def _shut_down(self, role: Role) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(STOP_S):
                await role.stop()
                await role.app.stop()
        except TimeoutError:
            log.warning("not everything stopped within %.0f s", STOP_S)
        except Exception:
            # The next process goes on as after kill -9; why this one ends is known already.
            log.exception("not everything stopped as it should")
        log.info("stopped in %.1f s", time.monotonic() - began)


def end_by(seconds: float, code: int) -> None:
    """End this process with ``code`` if it has not ended by itself within that time.

    Nothing is lost by it, as with kill -9. Threads can't be cancelled: one that waits for a bucket
    would hold up the end of the interpreter for as long as its client tries again.
    """

    def end() -> None:
        log.warning("not everything ended within %.0f s: ended without it", seconds)
        logging.shutdown()
        os._exit(code)

    ending = threading.Timer(seconds, end)
    ending.daemon = True
    ending.start()
