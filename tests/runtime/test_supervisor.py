"""Real child processes: restarted whatever way they end, stopped in bounded time, no orphans."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from streams.runtime.supervisor import Program, Supervisor

from .faults import full_disk

Until = Callable[..., Awaitable[None]]

OBEDIENT = "import os, time; print(os.environ['WHO'], flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + OBEDIENT


def program(code: str, *, name: str = "a", log: Path | None = None) -> Program:
    return Program(name=name, argv=(sys.executable, "-c", code), env={"WHO": name}, log=log)


def running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return said.stdout.strip()[:1] not in ("", "Z")


async def test_starts_again_what_was_killed_with_the_same_environment(until: Until) -> None:
    changed: list[str] = []
    programs = [program(OBEDIENT, name="a"), program(OBEDIENT, name="b")]
    async with Supervisor(programs, on_change=changed.append) as supervisor:
        a, b = supervisor.states["a"], supervisor.states["b"]
        await until(lambda: a.announced == "a" and b.announced == "b")
        first, other = a.pid, b.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: a.starts == 2 and a.announced == "a")
        assert a.exit_code == -signal.SIGKILL
        assert a.pid != first
        assert (b.pid, b.starts) == (other, 1)
        # started, announced, ended, started, announced
        assert changed.count("a") == 5
    assert a.pid is None


@pytest.mark.parametrize("code", [0, 1, 3])
async def test_starts_again_after_any_exit_code(until: Until, code: int) -> None:
    async with Supervisor([program(f"raise SystemExit({code})")]) as supervisor:
        state = supervisor.states["a"]
        await until(lambda: state.starts >= 3)
        assert state.exit_code == code


async def test_waits_longer_the_more_often_a_program_ends_at_once(until: Until) -> None:
    async with Supervisor([program("raise SystemExit(1)")]) as supervisor:
        await until(lambda: supervisor.states["a"].starts == 3)
        began = time.monotonic()
        await until(lambda: supervisor.states["a"].starts == 4)
        assert time.monotonic() - began > 0.3


async def test_stops_children_that_ignore_sigterm(until: Until) -> None:
    supervisor = Supervisor([program(STUBBORN)], stop_seconds=0.3)
    supervisor.start()
    state = supervisor.states["a"]
    await until(lambda: state.announced)
    pid = state.pid
    assert pid is not None
    began = time.monotonic()
    await supervisor.stop()
    assert time.monotonic() - began < 5
    assert not running(pid)
    assert state.exit_code == -signal.SIGKILL


async def test_lets_children_end_well_when_stopped(until: Until, tmp_path: Path) -> None:
    code = (
        "import signal, sys\n"
        "def end(*_):\n    print('ended well', file=sys.stderr)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\n"
        "print('more', flush=True)\nsignal.pause()"
    )
    log = tmp_path / "logs" / "a.log"
    async with Supervisor([program(code, log=log)]) as supervisor:
        await until(lambda: supervisor.states["a"].announced and "more" in log.read_text())
    assert log.read_text().splitlines() == ["more", "ended well"]


async def test_a_full_disk_does_not_hold_up_who_says_much(until: Until, tmp_path: Path) -> None:
    code = (
        "import signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
        "print('ready', flush=True)\nsignal.sigwait([signal.SIGUSR1])\n"
        "print('more\\n' * 100_000, flush=True)"
    )
    log = tmp_path / "a.log"
    async with Supervisor([program(code, log=log)]) as supervisor:
        state = supervisor.states["a"]
        await until(lambda: state.announced)
        assert state.pid is not None
        with full_disk(tmp_path, free=0):
            os.kill(state.pid, signal.SIGUSR1)
            await until(lambda: state.starts == 2)
    assert state.exit_code is not None
    assert log.read_text() == ""


async def test_a_program_that_cannot_be_run_is_an_error() -> None:
    async with Supervisor([Program(name="a", argv=("/nowhere/at/all",))]) as supervisor:
        with pytest.raises(FileNotFoundError):
            await supervisor.failed()


async def test_who_waits_for_a_failure_may_go_away(until: Until) -> None:
    async with Supervisor([program(OBEDIENT)]) as supervisor:
        state = supervisor.states["a"]
        await until(lambda: state.announced)
        watching = asyncio.create_task(supervisor.failed())
        await asyncio.wait([watching], timeout=0.1)
        watching.cancel()
        await asyncio.wait([watching])
        assert watching.cancelled()
        pid = state.pid
        assert pid is not None
        assert running(pid)
    assert not running(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
async def test_children_die_with_a_parent_that_is_killed(until: Until) -> None:
    parent = (
        "import asyncio, sys\n"
        "from streams.runtime.supervisor import Program, Supervisor\n"
        "async def main():\n"
        f"    argv = (sys.executable, '-c', {STUBBORN!r})\n"
        "    child = Program(name='a', argv=argv, env={'WHO': 'a'})\n"
        "    async with Supervisor([child]) as s:\n"
        "        while s.states['a'].announced is None: await asyncio.sleep(.01)\n"
        "        print(s.states['a'].pid, flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    child = int(await process.stdout.readline())
    assert running(child)
    process.kill()
    await process.wait()
    await until(lambda: not running(child))
