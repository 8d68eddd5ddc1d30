"""DESIGN.md section 2, rule 14: a worker's folder is one process's own."""

import logging
import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streams.core.errors import Misuse
from streams.runtime import worker
from streams.runtime.worker import _locked
from streams.settings import Settings


def _hold(path: Path, held: Any) -> None:
    with _locked(path):
        held.set()
        multiprocessing.Event().wait()


def test_a_taken_folder_is_a_mistake_until_its_holder_is_dead(tmp_path: Path) -> None:
    path = tmp_path / "w0" / "fold.lock"
    fork = multiprocessing.get_context("fork")
    held = fork.Event()
    holder = fork.Process(target=_hold, args=(path, held))
    holder.start()
    assert held.wait(20)
    with pytest.raises(Misuse, match="w0 is in use by another worker of this name"), _locked(path):
        pytest.fail("two hold it")
    with _locked(tmp_path / "w0" / "admit.lock"), _locked(tmp_path / "w1" / "fold.lock"):
        pass
    holder.kill()
    holder.join(20)
    with _locked(path):
        pass


HELD_UP = """
import concurrent.futures, threading
from streams.runtime.worker import end_by
end_by(0.05, 3)
concurrent.futures.ThreadPoolExecutor().submit(threading.Event().wait)
"""


def test_a_thread_that_waits_for_ever_does_not_hold_up_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", HELD_UP], timeout=60, check=False)
    assert done.returncode == 3


class _Stuck:
    """A role that can't stop as it should."""

    async def stop(self) -> None:
        raise OSError("File too large")


async def test_why_a_worker_ends_stays_what_it_is_where_its_role_fails_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "end_by", lambda *_: None)
    ending = worker._Worker("fold", Settings(), tmp_path, lambda _: None, None)
    ending._give_up("the disk is full")
    with caplog.at_level(logging.INFO):
        await ending._shut_down(_Stuck())  # type: ignore[arg-type]
    assert ending._exit == worker.EXIT_GAVE_UP
    assert "not everything stopped as it should" in caplog.text


def test_the_time_to_end_runs_from_the_signal_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from when it listens to it: a start that waits for Kafka does not."""
    ending: list[tuple[float, int]] = []
    monkeypatch.setattr(worker, "end_by", lambda *how: ending.append(how))
    starting = worker._Worker("fold", Settings(), tmp_path, lambda _: None, None)
    starting._end()
    starting._give_up("no reason")
    assert ending == [(worker.END_S, 0), (worker.END_S, 3)]
