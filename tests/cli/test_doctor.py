"""The doctor names what is wrong and what to do."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from streams.cli.main import run
from streams.core.errors import Failed
from streams.dev import jars
from streams.runtime.topics import ensure
from streams.settings import Settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def checks(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> dict[str, dict]:
    assert run(["doctor", "--json", *arguments]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is (code == 0)
    for check in document["checks"]:
        assert check["ok"] is ("fix" not in check)
    return {check["name"]: check for check in document["checks"]}


def test_a_sound_machine(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = checks(capsys, code=0)
    assert set(found) == {
        *("packages", "settings", "data", "disk", "files", "snapshots", "port", "java", "jars")
    }
    assert list(tmp_path.iterdir()) == []  # it only looks


def test_a_line_each_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("ok ") for line in lines)


@pytest.mark.parametrize(
    ("name", "value", "check", "words"),
    [
        ("STREAMS_PARTITONS", "4", "settings", "unknown setting STREAMS_PARTITONS"),
        ("STREAMS_PARTITIONS", "many", "settings", "a setting is wrong"),
        ("STREAMS_BIND", "0.0.0.0:80", "port", "loopback only"),
        ("STREAMS_KAFKA", "127.0.0.1:1", "kafka", "Kafka at 127.0.0.1:1 does not answer"),
        ("STREAMS_DATA", "/dev/null", "data", "/dev/null can't be written"),
    ],
)
def test_wrong_settings(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    check: str,
    words: str,
) -> None:
    monkeypatch.setenv(name, value)
    found = checks(capsys, code=1)
    assert words in found[check]["found"]
    assert [wrong for wrong in found if not found[wrong]["ok"]] == [check]


@pytest.mark.deep
def test_a_port_that_is_taken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("STREAMS_BIND", f"127.0.0.1:{port}")
        found = checks(capsys, code=1)
    assert found["port"]["found"] == f"127.0.0.1:{port} is taken"


def test_no_java_and_no_jars(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def none() -> Path:
        raise Failed("embedded Kafka needs Java 17 or newer (none found): get one")

    monkeypatch.setattr(jars, "java", none)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = checks(capsys, code=1)
    assert found["java"]["fix"] == "get one"
    assert "fetches Kafka" in found["jars"]["found"]


def test_topics_on_a_broker(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setenv("STREAMS_TOPIC_PREFIX", settings.topic_prefix)
    monkeypatch.setenv("STREAMS_GROUP", settings.group)
    monkeypatch.setenv("STREAMS_PARTITIONS", "2")
    arguments = ("--kafka", settings.kafka)
    found = checks(capsys, *arguments, code=1)
    assert found["topics"]["fix"] == "streams topics ensure"
    assert "java" not in found
    asyncio.run(ensure(settings))
    assert checks(capsys, *arguments, code=0)["topics"]["ok"]
    monkeypatch.setenv("STREAMS_PARTITIONS", "3")
    assert "has 2 partitions, must have 3" in checks(capsys, *arguments, code=1)["topics"]["found"]


def test_a_bucket_that_does_not_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMS_S3_BUCKET", "nowhere")
    monkeypatch.setenv("STREAMS_S3_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDVERYSECRET")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "verysecret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    found = checks(capsys, code=1)["snapshots"]
    assert not found["ok"]
    assert "nowhere" in found["found"]
    assert "STREAMS_S3" in found["fix"]
    assert "verysecret" not in json.dumps(found).lower()
