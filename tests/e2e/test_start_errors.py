"""What keeps a worker from starting: one clear line, the right exit code, no traceback."""

from pathlib import Path

import pytest

from streams.runtime.processes import free_port
from streams.settings import Settings

from .system import Ended, System, cli, environment

ROLES = ("fold", "all")


async def start(settings: Settings, role: str, **env: str) -> Ended:
    return await cli(environment(settings) | env, "worker", "--role", role)


def one_line(ended: Ended, code: int, *words: str) -> None:
    said = [line for line in ended.err.splitlines() if line.startswith("streams:")]
    assert ended.code == code, ended
    assert len(said) == 1, ended.err
    assert "Traceback" not in ended.err
    assert all(word in said[0] for word in words), said
    assert ended.out == ""


@pytest.mark.parametrize("role", ROLES)
async def test_only_loopback(settings: Settings, role: str) -> None:
    one_line(await start(settings, role, STREAMS_BIND="0.0.0.0:0"), 2, "loopback")


async def test_a_taken_folder(system: System) -> None:
    busy = system.worker("fold", "w0")
    env = {"STREAMS_WORKER": "w0"}
    one_line(await start(system.settings, "fold", **env), 2, "in use", "w0")
    assert busy.running


@pytest.mark.deep
async def test_no_kafka(tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    one_line(await start(Settings(kafka=nowhere, data=str(tmp_path)), "fold"), 1, nowhere)


@pytest.mark.deep
async def test_no_topics(settings: Settings) -> None:
    one_line(await start(settings, "fold"), 1, "streams topics ensure")


@pytest.mark.deep
async def test_another_number_of_partitions(system: System) -> None:
    env = {"STREAMS_PARTITIONS": "3", "STREAMS_WORKER": "w9"}
    one_line(await start(system.settings, "fold", **env), 2, "has 4 partitions, must have 3")


async def test_a_setting_that_is_wrong(settings: Settings) -> None:
    one_line(await start(settings, "fold", STREAMS_PARTITIONS="many"), 2, "partitions")
