"""Damage befalls one file of each database; a full disk befalls one process."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from streams.runtime.view import open_database
from tests.faults import disk

WRITES = """
import sys
for line in sys.stdin:
    try:
        with open(sys.argv[1], "ab", buffering=0) as file:
            file.write(b"x")
        print("written", flush=True)
    except OSError:
        print("full", flush=True)
"""


@pytest.mark.parametrize("seed", range(6))
def test_one_file_of_each_database_is_damaged(seed: int, tmp_path: Path) -> None:
    for partition in range(2):
        db = open_database(tmp_path / f"tenant.log.v1-{partition}")
        db[b"key"] = b"value"
        db.close()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = disk.damage(tmp_path, random.Random(seed))
    changed = [path for path, data in before.items() if path.read_bytes() != data]
    assert len(changed) == len(done) == 2
    assert len({path.parent for path in changed}) == 2
    assert all(f"{p.parent.name}/{p.name}" in " ".join(done) for p in changed)


def test_a_full_disk_befalls_one_process_until_there_is_room_again(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITES, str(tmp_path / "file")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def write() -> str:
            print("now", file=process.stdin, flush=True)
            return process.stdout.readline().strip()  # type: ignore[union-attr]

        assert write() == "written"
        disk.fill(process.pid)
        assert write() == "full"
        disk.empty(process.pid)
        assert write() == "written"
        process.stdin.close()
