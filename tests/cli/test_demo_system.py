import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from streams.cli.demo_system import System
from streams.core.errors import Failed


def pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program in the interpreter's place: what `up` would be."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(program))


async def test_it_waits_for_the_line_and_stops_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = json.dumps({"ready": True, "kafka": "k:1", "api": "http://a", "workers": []})
    script = f"echo \"$STREAMS_API$*\" > given; echo '{ready}'; exec sleep 60"
    pretend(tmp_path, monkeypatch, script)
    monkeypatch.setenv("STREAMS_API", "http://elsewhere")
    monkeypatch.chdir(tmp_path)
    system = System(tmp_path / "data")
    running = await system.start()
    assert (running.kafka, running.api) == ("k:1", "http://a")
    given = f"-m streams up --data {tmp_path / 'data'} --workers 2 --json\n"
    assert (tmp_path / "given").read_text() == given
    assert not system.ended()
    await system.stop()
    assert system.ended()


async def test_why_it_did_not_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, monkeypatch, "echo first >&2; echo 'streams: no Java' >&2; exit 2")
    system = System(tmp_path / "data")
    with pytest.raises(Failed, match="did not start: streams: no Java"):
        await system.start()
    await system.stop()


def test_a_fold_worker_is_killed_and_nothing_else(tmp_path: Path) -> None:
    children = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    try:
        workers = [
            {"role": role, "pid": child.pid, "api": "http://a"}
            for role, child in zip(("admit", "fold"), children, strict=True)
        ]
        (tmp_path / "up.json").write_text(
            json.dumps({"kafka": "k:1", "api": "http://a", "workers": workers})
        )
        killed = System(tmp_path).kill_a_fold()
        assert killed is not None
        assert killed.pid == children[1].pid
        assert children[1].wait(10) == -9
        os.kill(children[0].pid, 0)
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_without_a_running_system_nothing_is_killed(tmp_path: Path) -> None:
    assert System(tmp_path).kill_a_fold() is None
