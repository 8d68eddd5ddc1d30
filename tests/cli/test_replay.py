"""`streams replay`: what it refuses before it reads anything."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.cli.progress import count_bar


def test_a_folder_that_is_not_empty_is_refused(streams: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    ran = streams("replay", "--to", str(tmp_path))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"streams: {tmp_path} is not empty: a replay begins with an empty folder\n"


def test_a_time_that_is_none_is_refused(streams: Callable[..., Any], tmp_path: Path) -> None:
    ran = streams("replay", "--to", str(tmp_path), "--until", "yesterday")
    assert (ran.code, ran.err) == (2, "streams: --until: not an RFC 3339 time with a zone\n")


def test_without_kafka_there_is_the_bucket(
    streams: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("STREAMS_PARTITIONS", "1")
    ran = streams("replay", "--to", str(tmp_path / "was"), "--bucket-only", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert [each["offset"] for each in json.loads(ran.out)["partitions"]] == [-1, -1]
    both = ("--bucket-only", "--kafka", "nowhere:1")
    assert streams("replay", "--to", str(tmp_path / "w2"), *both).code == 2


def test_progress_takes_what_is_done_and_of_how_much() -> None:
    with count_bar("replaying") as advanced:
        advanced(1, 2)
        advanced(2, 2)
