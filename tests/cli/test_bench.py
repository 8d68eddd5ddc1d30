from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = "import sys; open('ran', 'w').write(' '.join(sys.argv[1:])); sys.exit(3)"


def test_a_bench_of_the_checkout_is_run_with_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streams: Callable[..., Any]
) -> None:
    monkeypatch.setattr("streams.cli.bench.ROOT", tmp_path)
    (tmp_path / "counting.py").write_text(SCRIPT)
    ran = streams("bench", "counting", "--json", "--repeats", "2", "--data", str(tmp_path))
    assert ran.code == 3
    assert (tmp_path / "ran").read_text() == f"--json --data {tmp_path} --repeats 2"


def test_a_bench_that_is_not_there_yet_is_a_misuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streams: Callable[..., Any]
) -> None:
    monkeypatch.setattr("streams.cli.bench.ROOT", tmp_path)
    assert "not in this version" in streams("bench", "growth").err
    monkeypatch.setattr("streams.cli.bench.ROOT", tmp_path / "wheel")
    ran = streams("bench", "growth")
    assert (ran.code, "checkout" in ran.err) == (2, True)
