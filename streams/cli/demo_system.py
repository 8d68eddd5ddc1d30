"""The system under the demo: `streams up` as a child, watched through its up.json."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from streams.cli.client import UP_FILE
from streams.core.errors import Failed
from streams.runtime.processes import die_with_parent

LOG = "demo-up.log"
START_SECONDS = 180
STOP_SECONDS = 20
_OWN = ("STREAMS_API", "STREAMS_KAFKA", "STREAMS_BIND", "STREAMS_WORKER", "STREAMS_DATA")


class Worker(msgspec.Struct, frozen=True):
    """A process of the running system."""

    role: str
    pid: int
    api: str


class Running(msgspec.Struct, frozen=True):
    """up.json."""

    kafka: str
    api: str
    workers: list[Worker]


class System:
    """Starts `streams up` in a folder, and always stops it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> Running:
        """Start, and wait until everything serves.

        Raises
        ------
        Failed
            `up` ended or did not become ready; the message ends with the last line it wrote.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        environ = {name: value for name, value in os.environ.items() if name not in _OWN}
        command = [sys.executable, "-m", "streams", "up", "--data", str(self.data)]
        with (self.data / LOG).open("wb") as log:
            # A session of its own: Ctrl-C is for the demo, which then stops `up` in order.
            self._process = subprocess.Popen(  # noqa: ASYNC220 - the main thread, for die_with_parent
                [*command, "--workers", "2", "--json"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environ,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )
        assert self._process.stdout is not None
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout
        )
        try:
            line = await asyncio.wait_for(reader.readline(), START_SECONDS)
            return msgspec.json.decode(line, type=Running)
        except TimeoutError:
            raise Failed(
                f"`streams up` was not ready after {START_SECONDS} s{self.why()}"
            ) from None
        except msgspec.MsgspecError:
            raise Failed(f"`streams up` did not start{self.why()}") from None

    def why(self) -> str:
        """Last line that `up` wrote to stderr, as the end of a message."""
        lines = (self.data / LOG).read_text(errors="replace").split("\n")
        told = [line.strip() for line in lines if line.strip()]
        return f": {told[-1]}" if told else ""

    def now(self) -> Running | None:
        """What runs now."""
        with suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode((self.data / UP_FILE).read_bytes(), type=Running)
        return None

    def kill_a_fold(self) -> Worker | None:
        """kill -9 a fold worker; returns the one that was."""
        running = self.now()
        folds = [worker for worker in (running.workers if running else []) if worker.role == "fold"]
        for worker in folds:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
                return worker
        return None

    def ended(self) -> bool:
        """Whether `up` itself is gone."""
        return self._process is None or self._process.poll() is not None

    async def stop(self) -> None:
        """Stop everything, by force if it takes too long."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(asyncio.to_thread(process.wait), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            process.wait()
