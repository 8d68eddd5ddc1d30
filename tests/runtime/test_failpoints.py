"""Every named point is reached by the code, and kills exactly one process."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import streams
from streams.runtime import failpoints

KILLED = """
import sys
from streams.runtime import failpoints
failpoints.arm(sys.argv[1])
for name in failpoints.NAMES:
    failpoints.reach(name)
print("alive")
"""


def test_the_names_are_those_in_the_code() -> None:
    code = "\n".join(path.read_text() for path in Path(streams.__file__).parent.rglob("*.py"))
    reached = re.findall(r"\breach\(\"([a-z_.]+)\"\)", code)
    assert sorted(reached) == sorted(failpoints.ALL)


def test_an_unknown_name_makes_no_void_test() -> None:
    with pytest.raises(ValueError, match=r"no failpoint 'fold\.foled'"):
        failpoints.arm("fold.foled@/tmp/x")


def test_exactly_one_process_dies(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    command = [sys.executable, "-c", KILLED, f"fold.committed@{flag}"]
    runs = [subprocess.run(command, capture_output=True, check=False) for _ in range(2)]
    assert [run.returncode for run in runs] == [-signal.SIGKILL, 0]
    assert runs[1].stdout == b"alive\n"


def test_off_unless_a_setting_names_one(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", KILLED, ""], capture_output=True, check=False, cwd=tmp_path
    )
    assert (run.returncode, run.stdout) == (0, b"alive\n")
