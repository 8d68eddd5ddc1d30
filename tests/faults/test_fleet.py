"""What is told of a worker that ends as it must not."""

import random
import re
from pathlib import Path

import pytest

from streams.settings import Settings
from tests.faults import disk
from tests.faults.fleet import Fleet
from tests.faults.hand import Hand


@pytest.mark.parametrize("spawn", [False, True])
async def test_what_it_said_last_is_told_though_its_disk_is_full(
    tmp_path: Path, spawn: bool
) -> None:
    settings = Settings(kafka="nowhere:1", data=str(tmp_path / "data"))
    fleet = Fleet(settings, tmp_path / "logs", {"fold": 1}, spawn=spawn)
    worker = fleet["fold-0"]
    try:
        worker.start("no.such")
        disk.fill(worker.pid)
        assert await worker.died(60) == (2 if spawn else 1)
        hand = Hand(fleet, tmp_path, random.Random(1), lambda _: None)
        told = f"fold-0 ended with {worker.code} by itself; it said last:\n"
        with pytest.raises(AssertionError, match=rf"{told}(?s:.*)no failpoint 'no.such'"):
            hand._again(worker)
    finally:
        fleet.kill()
    started, *_ = worker.log.read_text().splitlines()
    assert re.fullmatch("---- started [0-9.]+, failpoint no.such", started)
