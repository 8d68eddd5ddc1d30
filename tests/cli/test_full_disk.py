"""Commands whose stdout and stderr are files on a full disk end with the codes that they have."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ENDS = """
import logging, resource, sys
from streams.cli import main
from streams.runtime import worker

def fill(to):
    resource.setrlimit(resource.RLIMIT_FSIZE, (to, resource.RLIM_INFINITY))

class Worker:
    def __init__(self, role, settings, folder, announce, embedding):
        self.announce = announce

    async def run(self):
        log = logging.getLogger("worker")
        log.info("there is room")
        fill(0)
        log.error("giving up")
"""
GIVES_UP = "        return 3"
CANT_OPEN = "        open('kept', 'w', buffering=1).write('x\\n')"
MAKES_ROOM = """
        self.announce({"role": "fold", "pid": 1, "api": "nowhere"})
        fill(resource.RLIM_INFINITY)
        log.info("there is room again")
        return 3
"""
MAIN = """
worker._Worker = Worker
sys.argv[1:] = ["worker", "--role", "fold", "--kafka", "nowhere:1"]
main.main()
"""


def ended(folder: Path, code: str) -> tuple[int, str]:
    """Run code whose output goes to a file; returns how it ended, and what is in the file."""
    said = folder / "said"
    # Set, it hides that Python tries to write at its end what it could not write before.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with said.open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=out,
            stderr=out,
            cwd=folder,
            env=environ,
            timeout=60,
            check=False,
        )
    return done.returncode, said.read_text()


def test_a_worker_that_gives_up_asks_to_be_started_again(tmp_path: Path) -> None:
    code, said = ended(tmp_path, ENDS + GIVES_UP + MAIN)
    assert "there is room" in said
    assert code == 3


def test_what_could_not_be_written_is_when_there_is_room(tmp_path: Path) -> None:
    code, said = ended(tmp_path, ENDS + MAKES_ROOM + MAIN)
    assert code == 3
    lines = [line.rpartition(": ")[2] for line in said.splitlines()]
    assert lines == ["there is room", "giving up", "there is room again"]


def test_a_worker_that_cannot_write_what_it_needs_gives_up(tmp_path: Path) -> None:
    assert ended(tmp_path, ENDS + CANT_OPEN + MAIN)[0] == 3


def test_who_warns_goes_on(tmp_path: Path) -> None:
    warns = f"""
import resource
from streams.cli.telling import warn
resource.setrlimit(resource.RLIMIT_FSIZE, (0, {resource.RLIM_INFINITY}))
warn("fold-0 ended; starting it again")
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
print("went on")
"""
    code, said = ended(tmp_path, warns)
    assert (code, "went on" in said) == (0, True)


@pytest.mark.parametrize(("arguments", "code"), [("nope", 2), ("--version", 1)])
def test_any_command_ends_with_its_own_code(tmp_path: Path, arguments: str, code: int) -> None:
    filled = f"""
import resource, sys
from streams.cli.main import main
sys.argv[1:] = {[arguments]}
resource.setrlimit(resource.RLIMIT_FSIZE, (0, {resource.RLIM_INFINITY}))
main()
"""
    assert ended(tmp_path, filled) == (code, "")


@pytest.mark.parametrize(
    ("arguments", "closed", "code"),
    [("--version", "2>&-", 0), ("--version", ">&- 2>&-", 0), ("nothing", "2>&-", 2)],
)
def test_closed_streams_change_no_code(arguments: str, closed: str, code: int) -> None:
    main = "-c 'from streams.cli.main import main; main()'"
    command = f"{sys.executable} {main} {arguments} {closed}"
    assert subprocess.run(["/bin/sh", "-c", command], timeout=60, check=False).returncode == code
