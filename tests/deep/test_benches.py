"""Our side of a bench runs as the runtime is now, and its changelog says what it should."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.deep
BENCH = Path(__file__).parents[2] / "bench"


def test_counting_runs_without_its_peers() -> None:
    command = [sys.executable, str(BENCH / "counting.py"), "--only", "ours", "--json"]
    options = ["--events", "60000", "--repeats", "1"]
    ran = subprocess.run([*command, *options], capture_output=True, text=True, timeout=180)
    assert ran.returncode == 0, ran.stderr
    figures = json.loads(ran.stdout)["ours"]
    assert figures["events"] == 60_000
    assert figures["events_per_s"]["min"] > 0
