"""`streams worker`: real processes; what it says, how it ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from streams.cli.main import run
from streams.runtime.topics import ensure
from streams.settings import Settings


class Worker:
    """A `streams worker --json`."""

    def __init__(self, settings: Settings, *arguments: str, **environ: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams", "worker", "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "STREAMS_KAFKA": settings.kafka,
                "STREAMS_TOPIC_PREFIX": settings.topic_prefix,
                "STREAMS_GROUP": settings.group,
                "STREAMS_PARTITIONS": str(settings.partitions),
                "STREAMS_DATA": settings.data,
                **environ,
            },
        )

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "it ended instead"
        return json.loads(line)


@pytest.fixture
def installation(settings: Settings) -> Settings:
    asyncio.run(ensure(settings))
    return settings


@pytest.fixture
def started(installation: Settings) -> Iterator[list[Worker]]:
    workers: list[Worker] = []
    yield workers
    for worker in workers:
        worker.process.kill()
        worker.process.communicate()


def healthy(api: str) -> bool:
    return httpx.get(f"{api}/healthz", timeout=20).status_code == 200


@pytest.mark.deep
def test_one_role_says_where_it_serves_and_ends_well(
    installation: Settings, started: list[Worker]
) -> None:
    worker = Worker(installation, "--role", "admit", "--name", "w1")
    started.append(worker)
    said = worker.line()
    assert said["role"] == "admit"
    assert said["pid"] == worker.process.pid
    assert healthy(said["api"])
    worker.process.send_signal(signal.SIGTERM)
    out, _ = worker.process.communicate(timeout=30)
    assert worker.process.returncode == 0
    assert out == ""


@pytest.mark.deep
def test_all_runs_both_and_starts_again_what_ends(
    installation: Settings, started: list[Worker]
) -> None:
    worker = Worker(installation, "--name", "w2")
    started.append(worker)
    said = {line["role"]: line for line in (worker.line(), worker.line())}
    assert set(said) == {"admit", "fold"}
    assert all(healthy(line["api"]) for line in said.values())
    os.kill(said["fold"]["pid"], signal.SIGKILL)
    again = worker.line()
    assert again["role"] == "fold"
    assert again["pid"] != said["fold"]["pid"]
    assert again["api"] == said["fold"]["api"]
    worker.process.send_signal(signal.SIGINT)
    assert worker.process.wait(30) == 0
    for pid in (again["pid"], said["admit"]["pid"]):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("role", ["fold", "all"])
def test_an_open_address_is_refused(
    installation: Settings, started: list[Worker], role: str
) -> None:
    worker = Worker(installation, "--role", role, STREAMS_BIND="0.0.0.0:0")
    started.append(worker)
    _, said = worker.process.communicate(timeout=60)
    assert worker.process.returncode == 2
    assert "loopback only" in said
    assert "Traceback" not in said


def test_it_needs_a_kafka(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["worker", "--role", "fold"]) == 2
    assert "--kafka" in capsys.readouterr().err
