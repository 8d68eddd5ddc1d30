"""`streams snapshot` with an API that answers as told, and a folder in the bucket's place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TAKEN = {
    "topic": "tenant.log.v1",
    "partition": 0,
    "name": "agent-state/streams/tenant.log.v1-0/0-7.json",
    "digest": "ab",
    "rows": 1200,
    "files": 2,
    "bytes": 1 << 20,
    "total_bytes": 3 << 20,
    "seconds": 0.5,
    "error": None,
}


def test_what_was_taken_is_told(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, json.dumps({"items": [TAKEN], "next": None}).encode())]
    ran = streams("snapshot", "now")
    assert (api.asked[0].method, api.asked[0].path) == ("POST", "/v1/snapshots")
    assert ran.code == 0
    assert ran.out.startswith("tenant.log.v1[0]  1,200 rows  1.0 of 3.0 MB uploaded  0.5 s  ")


def test_one_that_failed_is_a_failure(api: Any, streams: Callable[..., Any]) -> None:
    failed = TAKEN | {"partition": 1, "error": "the bucket is gone"}
    api.answers = [(200, json.dumps({"items": [TAKEN, failed]}).encode())]
    ran = streams("snapshot", "now")
    assert ran.code == 1
    assert "tenant.log.v1[1]  the bucket is gone" in ran.out
    assert ran.err == "streams: no snapshot of tenant.log.v1[1]\n"


def test_an_empty_store_lists_nothing(
    streams: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMS_DATA", str(tmp_path))
    assert json.loads(streams("snapshot", "list", "--json").out) == {"items": []}
    assert json.loads(streams("snapshot", "verify", "--json").out) == {"items": []}


def test_nothing_to_drop(
    streams: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMS_DATA", str(tmp_path))
    ran = streams("snapshot", "drop", "--dry-run")
    assert (ran.code, ran.out) == (0, "0 snapshots and 0 segments would be dropped\n")
    ran = streams("snapshot", "drop", "--older-than", "1", "--json")
    assert json.loads(ran.out) == {"snapshots": [], "segments": [], "needed": []}
    assert streams("snapshot", "drop", "--older-than", "0").code == 2
