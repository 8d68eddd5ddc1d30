"""`streams up` as users run it: a real process with its own Kafka, killed and stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from streams.dev.machine import Machine
from streams.settings import Settings
from tests.runtime.faults import full_disk

MESSAGE = {
    "agent": "a",
    "usage": {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 10,
    },
}


class Up:
    """One `streams up --json`."""

    def __init__(self, data: Path, errors: Path) -> None:
        self.data = data
        self.first: dict[str, Any] = {}
        environ = os.environ | {"STREAMS_PARTITIONS": "2"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams", "up", "--data", str(data), "--json"],
            stdout=subprocess.PIPE,
            stderr=errors.open("ab"),
            env=environ,
        )

    def ready(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "it ended instead"
        return json.loads(line)

    def now(self) -> dict[str, Any]:
        return json.loads((self.data / "up.json").read_text())

    def rest(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.read()


def wait(condition: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_ready(api: str) -> bool:
    try:
        return httpx.get(f"{api}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def calls(api: str, **query: str) -> int:
    answer = httpx.get(f"{api}/v1/tenants/t1/usage?period=day", params=query, timeout=70)
    answer.raise_for_status()
    return answer.json()["total"]["calls"]


def send(api: str) -> str:
    """Send one metered call; returns its place for ``after``."""
    answer = httpx.post(f"{api}/v1/tenants/t1/messages", json=MESSAGE, timeout=60)
    answer.raise_for_status()
    return "{topic}:{partition}:{offset}".format(**answer.json()["events"][0])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up") / "data"


@pytest.fixture(scope="module")
def up(data: Path) -> Iterator[Up]:
    with ExitStack() as stack:
        up = Up(data, data.parent / "errors")
        stack.callback(up.process.wait)
        stack.callback(up.process.terminate)
        up.first = up.ready()
        yield up


@pytest.mark.deep
def test_says_where_everything_is(up: Up) -> None:
    first = up.first
    assert first == up.now()
    assert first["ready"] is True
    assert first["data"] == str(up.data)
    assert sorted(worker["role"] for worker in first["workers"]) == ["admit", "fold"]
    for worker in first["workers"]:
        assert alive(worker["pid"])
        assert is_ready(worker["api"])
    assert is_ready(first["api"])
    host, port = first["kafka"].split(":")
    socket.create_connection((host, int(port)), 5).close()


@pytest.mark.deep
def test_a_second_one_on_the_folder_refuses(up: Up) -> None:
    command = [sys.executable, "-m", "streams", "up", "--data", str(up.data)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 2
    assert second.stdout == ""
    assert second.stderr.count("\n") == 1
    assert f"already runs on {up.data} (process {up.process.pid})" in second.stderr
    assert is_ready(up.now()["api"])


@pytest.mark.deep
@pytest.mark.parametrize(
    ("role", "end"),
    [("fold", signal.SIGKILL), ("admit", signal.SIGKILL), ("admit", signal.SIGTERM)],
)
def test_starts_again_what_ends(up: Up, role: str, end: signal.Signals) -> None:
    def one() -> dict[str, Any]:
        return next(worker for worker in up.now()["workers"] if worker["role"] == role)

    before = one()
    os.kill(before["pid"], end)
    wait(lambda: one()["pid"] != before["pid"])
    wait(lambda: is_ready(one()["api"]))
    assert {**one(), "pid": 0} == {**before, "pid": 0}


def test_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    warned: list[str] = []
    settings = Settings(kafka="nowhere:1", data=str(tmp_path), embedder="none")
    machine = Machine(settings, workers=1, port=None, progress=warned.append, warn=warned.append)
    supervisor = machine._supervisor()
    for name, state in supervisor.states.items():
        machine._pids[name] = state.pid = 1
    machine._ready = True
    supervisor.states["fold-0"].pid = 2
    with full_disk(tmp_path, free=0):
        machine._changed(supervisor, "fold-0")
    assert "up.json does not say all of what is running" in warned[0]
    supervisor.states["fold-0"].pid = 3
    machine._changed(supervisor, "fold-0")
    told = json.loads((tmp_path / "up.json").read_text())
    assert [worker["pid"] for worker in told["workers"] if worker["name"] == "fold-0"] == [3]


@pytest.mark.deep
def test_starts_kafka_again_and_loses_nothing(up: Up) -> None:
    before = up.now()
    first = send(before["api"])
    os.kill(before["kafka_pid"], signal.SIGKILL)
    wait(lambda: up.now()["kafka_pid"] != before["kafka_pid"])
    after = up.now()
    assert after["kafka"] == before["kafka"]
    assert after["api"] == before["api"]

    def sent() -> bool:
        query = {"after": first, "wait_ms": "60000", "period": "day"}
        answer = httpx.get(f"{after['api']}/v1/tenants/t1/usage", params=query, timeout=70)
        # While Kafka is away it is not ready.
        assert answer.status_code in (200, 503, 504), answer.text
        return answer.status_code == 200

    wait(sent)
    assert calls(after["api"]) == 1


@pytest.mark.deep
def test_ends_in_time_and_goes_on_from_its_folder(up: Up) -> None:
    before = up.now()
    began = time.monotonic()
    up.process.terminate()
    assert up.process.wait(20) == 0
    assert time.monotonic() - began < 15
    assert up.rest() == b""  # one line was all
    assert not (up.data / "up.json").exists()
    pids = [worker["pid"] for worker in before["workers"]] + [before["kafka_pid"]]
    assert [pid for pid in pids if alive(pid)] == []

    again = Up(up.data, up.data.parent / "errors")
    try:
        now = again.ready()
        assert (now["kafka"], now["api"]) == (before["kafka"], before["api"])
        assert calls(now["api"]) == 1
        place = send(now["api"])
        assert calls(now["api"], after=place, wait_ms="60000") == 2
        # Nothing outlives a parent that is killed.
        pids = [worker["pid"] for worker in now["workers"]] + [now["kafka_pid"]]
        again.process.kill()
        again.process.wait()
        wait(lambda: not any(map(alive, pids)), 10)
    finally:
        again.process.kill()

    # Told to end while it starts (what the killed one left behind is no hindrance).
    third = Up(up.data, up.data.parent / "errors")
    wait(lambda: (up.data / "up.lock").read_text().strip() == str(third.process.pid))
    third.process.send_signal(signal.SIGINT)
    assert third.process.wait(20) == 0
    assert third.rest() == b""


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "complaint"),
    [
        (["--workers", "0"], {}, 2, "--workers"),
        (["--port", "70000"], {}, 2, "--port"),
        (["--port", "TAKEN"], {}, 2, "is taken; choose another one with --port"),
        ([], {"STREAMS_BIND": "0.0.0.0:8600"}, 2, "loopback only, not on 0.0.0.0"),
        ([], {"STREAMS_BIND": "here"}, 2, "STREAMS_BIND must be ADDRESS:PORT"),
        ([], {"STREAMS_PARTITIONS": "0"}, 2, "STREAMS_PARTITIONS must be at least 1"),
        (["--data", "FILE"], {}, 2, "can't use the data folder"),
        (["--kafka", "127.0.0.1:1"], {}, 1, "Kafka at 127.0.0.1:1"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], code: int, complaint: str
) -> None:
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        known = {"TAKEN": str(taken.getsockname()[1]), "FILE": str(tmp_path / "file")}
        given = [known.get(argument, argument) for argument in arguments]
        done = subprocess.run(
            [sys.executable, "-m", "streams", "up", "--data", str(tmp_path / "data"), *given],
            capture_output=True,
            text=True,
            env=os.environ | environ,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (code, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
