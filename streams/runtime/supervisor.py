"""Keeps child processes running: each that ends is started again, all end with the parent."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Self

import msgspec

from streams.runtime.processes import die_with_parent

_STEADY_SECONDS = 5.0
_LOG_BYTES = 16 << 20
_DELAYS = (0.0, 0.1, 0.3, 1.0, 3.0)
"""Seconds before a restart; further on the longer a child keeps ending soon after its start."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, the same at every restart."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    """Added to this process's environment."""
    log: Path | None = None
    """Where its stderr goes; None: where this process's goes."""


class State(msgspec.Struct):
    """How one program does, now."""

    pid: int | None = None
    """None between two runs."""
    starts: int = 0
    announced: str | None = None
    """The first line that the present run wrote to stdout."""
    exit_code: int | None = None
    """Of the run before; negative for a signal."""


class Supervisor:
    """Runs programs until it is stopped.

    Parameters
    ----------
    programs : iterable of Program
        Names must differ.
    on_change : callable
        Called with a name whenever that program was started, announced itself or ended.
    stop_seconds : float
        How long children have between SIGTERM and SIGKILL.

    Notes
    -----
    Children die with the *thread* that runs the event loop (Linux): run it in the main one.
    """

    def __init__(
        self,
        programs: Iterable[Program],
        *,
        on_change: Callable[[str], None] = lambda name: None,
        stop_seconds: float = 8.0,
    ) -> None:
        self.programs = {program.name: program for program in programs}
        self.states = {name: State() for name in self.programs}
        self._on_change = on_change
        self._stop_seconds = stop_seconds
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start all; returns at once."""
        self._tasks = [
            asyncio.create_task(self._keep(program), name=f"keep {program.name}")
            for program in self.programs.values()
        ]

    async def stop(self) -> None:
        """SIGTERM to all, SIGKILL to those that take too long; returns when all have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def failed(self) -> None:
        """Return never, raise what broke the supervisor itself (a program that can't be run).

        Cancelling this leaves the programs running.
        """
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _keep(self, program: Program) -> None:
        state = self.states[program.name]
        soon = 0
        while True:
            began = time.monotonic()
            await self._run(program, state)
            soon = 0 if time.monotonic() - began > _STEADY_SECONDS else soon + 1
            await asyncio.sleep(_DELAYS[min(soon, len(_DELAYS) - 1)])

    async def _run(self, program: Program, state: State) -> None:
        """One run of a program, from start to end; a cancellation stops it."""
        with contextlib.ExitStack() as files:
            log = files.enter_context(_open_log(program.log)) if program.log else None
            process = await asyncio.create_subprocess_exec(
                *program.argv,
                env={**os.environ, **program.env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                # A Ctrl-C in the terminal is for the parent, which stops its children in order.
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
            state.pid = process.pid
            state.starts += 1
            state.announced = None
            lines = asyncio.create_task(self._listen(program.name, process.stdout, state, log))
            try:
                self._on_change(program.name)
                await process.wait()
            finally:
                await self._end(process)
                lines.cancel()
                state.pid = None
                state.exit_code = process.returncode
        self._on_change(program.name)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self._stop_seconds)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _listen(
        self, name: str, out: asyncio.StreamReader | None, state: State, log: IO[bytes] | None
    ) -> None:
        """Take the first line as the announcement; all else that it prints goes to its log."""
        assert out is not None
        while line := await _line(out):
            if state.announced is None:
                state.announced = line.decode(errors="replace").strip()
                self._on_change(name)
            elif log is not None:
                # A full disk loses the line; who read no more would hold up the child.
                with contextlib.suppress(OSError):
                    log.write(line)


async def _line(out: asyncio.StreamReader) -> bytes:
    try:
        return await out.readline()
    except ValueError:  # a line above the reader's limit, which it threw away
        return b"(a long line)\n"


def _open_log(path: Path) -> IO[bytes]:
    """Append to the log; a big one makes way at the program's start."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab", buffering=0)
