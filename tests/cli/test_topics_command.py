"""`streams topics` prints what infrastructure code needs and refuses what does not fit."""

import json
from pathlib import Path

import pytest

from streams import topology
from streams.cli.main import run
from streams.settings import Settings


@pytest.fixture
def installation(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Settings in the environment, without the broker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMS_TOPIC_PREFIX", settings.topic_prefix)
    monkeypatch.setenv("STREAMS_GROUP", settings.group)
    monkeypatch.setenv("STREAMS_PARTITIONS", str(settings.partitions))
    return settings


def test_lists_all_that_must_be_without_a_broker(
    installation: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["topics", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    wanted = topology.topics(installation)
    assert [row["name"] for row in rows] == [topic.name for topic in wanted]
    log = next(row for row in rows if row["name"].endswith(topology.TENANT_LOG))
    assert log == {
        "name": f"{installation.topic_prefix}tenant.log.v1",
        "partitions": 2,
        "replication": 1,
        "configs": {
            "cleanup.policy": "delete",
            "max.message.bytes": "8388608",
            "retention.ms": "604800000",
            "message.timestamp.type": "LogAppendTime",
            "segment.ms": "25200000",
        },
        "key": "tenant",
        "writers": ["admit", "fold (ticks)", "control"],
        "readers": ["fold"],
        "internal": True,
        "fixed_partitions": True,
    }


def test_creates_then_finds_all_right(
    installation: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    total = len(topology.topics(installation))
    kafka = ("--kafka", installation.kafka)
    assert run(["topics", "ensure", *kafka, "--json"]) == 0
    created = json.loads(capsys.readouterr().out)
    assert created["topics"] == total
    assert created["created"] == [topic.name for topic in topology.topics(installation)]
    assert run(["topics", "ensure", *kafka]) == 0
    assert capsys.readouterr().out == f"{total} topics are as they must be\n"
    assert run(["topics", "list", *kafka, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["found"]["partitions"] for row in rows} == {1, 2}
    assert run(["topics", "list", *kafka]) == 0
    assert capsys.readouterr().out.count(" ok") == total


def test_refuses_with_exit_code_2(
    installation: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = ("--kafka", installation.kafka)
    assert run(["topics", "ensure", *kafka]) == 0
    monkeypatch.setenv("STREAMS_PARTITIONS", "5")
    capsys.readouterr()
    assert run(["topics", "ensure", *kafka]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "tenant.log.v1: has 2 partitions, must have 5 (fixed for life)" in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ensure"], 2, "give --kafka"),
        (["ensure", "--kafka", "127.0.0.1:1"], 1, "Kafka at 127.0.0.1:1 does not answer"),
        (["adopt"], 2, "TOPIC"),
        (["adopt", "budget.alerts.v1", "--kafka", "127.0.0.1:1"], 2, "can't be adopted"),
    ],
)
def test_mistakes(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["topics", *arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert said.err.count("\n") == 1
