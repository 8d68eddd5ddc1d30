"""`streams import`: old files become events that admit takes, and the memories that they were."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from golden import old_store
from memory.memory_log import MemoryLog

from streams.adapters.old_store import MemoryTable
from streams.agents.admit import Incoming, admit
from streams.cli.importing import _Reading
from streams.cli.validate import _NoPrices
from streams.core.log import Message, Origin
from streams.settings import Settings

EXPECTED: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(old_store.__file__).with_name("imported_records.json")).read_bytes()
)


def imported(path: Path) -> list[dict[str, Any]]:
    """Public records of what a file's events make, admitted and folded."""
    log = MemoryLog()
    for events in _Reading(Settings(), [path], "t1", "a1").events():
        for event in events:
            now = log.now
            record = admit(
                Incoming(
                    *(event.topic, event.key, event.value, event.headers, now, now),
                    Origin(event.topic, 0, 0, event.number),
                ),
                _NoPrices(),
            )
            assert isinstance(record.body, Message)
            log.append(record.body, time=record.time, event=record.id)
    return log.records()


@pytest.mark.parametrize("version", old_store.VERSIONS)
def test_what_a_version_left_is_as_it_was(version: str, tmp_path: Path) -> None:
    path = old_store.make(version, tmp_path)
    assert MemoryTable(path, "t1").schema == version
    assert imported(path) == EXPECTED[version]
    # Nothing was written beside it.
    assert sorted(each.name for each in tmp_path.iterdir()) == ["agent_state.json", "memories.db"]


def dry(streams: Callable[..., Any], *files: Path, options: tuple[str, ...] = ()) -> Any:
    return streams("import", *map(str, files), "--dry-run", *options)


def test_a_dry_run_tells_what_there_is(streams: Callable[..., Any], tmp_path: Path) -> None:
    path = old_store.make("1.1.0", tmp_path)
    ran = dry(streams, path)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        f"{path}  schema 1.1.0  2 memories can be imported\n"
        f"{tmp_path}/agent_state.json  schema 1.1.0  3 keys of state can be imported\n"
    )
    told = json.loads(dry(streams, path, tmp_path / "agent_state.json", options=("--json",)).out)
    assert [(each["kind"], each["taken"], each["bad"]) for each in told["files"]] == [
        ("memories", 2, 0),
        ("agent_state", 3, 0),
    ]
    assert told["sent"] is None


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no text": ({"content": b"\xff"}, "can't decode byte 0xff"),
    "nothing said": ({"content": ""}, "schema: either content or usage is needed"),
    "no name": ({"id": "a b"}, "schema: Expected `str` matching regex"),
    "no id": ({"id": None}, "it has no id"),
    "no time": ({"timestamp": "yesterday"}, "'yesterday' is no time"),
    "huge": ({"timestamp": "1e99"}, "'1e99' is no time"),
    "before": ({"timestamp": -1}, "bad_time: "),
    "later": ({"timestamp": "2999-01-01"}, "bad_time: "),
    "no timestamp": ({"timestamp": None}, "there is no timestamp"),
    "priority": ({"priority": 5}, "priority is not 1 to 4"),
    "count": ({"access_count": "many"}, "access_count is no whole number"),
    "below": ({"access_count": -1}, "schema: "),
    "tags": ({"context_tags": '["' + "x" * 300 + '"]'}, "schema: "),
    "cluster": ({"cluster_state": "[1]"}, "schema: "),
    "deletion": ({"gdpr_deletion_date": "soon"}, "'soon' is no time"),
    "large": ({"content": "x" * (1 << 20)}, "too_large: "),
}


def test_bad_rows_are_a_line_each_and_the_rest_goes_on(
    streams: Callable[..., Any], tmp_path: Path
) -> None:
    good = old_store.ROWS[0]
    rows = [good | {"id": f"bad-{n}"} | bad for n, (bad, _) in enumerate(BAD.values())]
    path = old_store.make("2.1.0", tmp_path, [*rows, good])
    (tmp_path / "agent_state.json").unlink()
    ran = dry(streams, path, options=("--json",))
    assert ran.code == 1
    [told] = json.loads(ran.out)["files"]
    assert (told["taken"], told["bad"]) == (1, len(BAD))
    *lines, last = ran.err.splitlines()
    assert last == f"streams: {len(BAD)} of {len(BAD) + 1} could not be imported"
    assert all(line.startswith(f"streams: {path}: memory ") for line in lines)
    for number, (bad, why) in enumerate(BAD.values()):
        name = str(bad.get("id", f"bad-{number}"))
        assert any(f": memory {name}: " in line and why in line for line in lines), (name, why)


def test_files_that_are_something_else_are_one_line(
    streams: Callable[..., Any], tmp_path: Path
) -> None:
    def written(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    whole = old_store.make("2.1.0", tmp_path).read_bytes()
    (tmp_path / "agent_state.json").unlink()
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE notes (id)")
    with sqlite3.connect(tmp_path / "narrow.db") as narrow:
        narrow.execute("CREATE TABLE memories (id, content)")
    db.close()
    narrow.close()
    wrong = {
        written("empty.db", b""): "is neither a SQLite file nor an agent_state.json",
        written("text", b"hello"): "is neither a SQLite file nor an agent_state.json",
        written("list.json", b"[1]"): "is neither a SQLite file nor an agent_state.json",
        written("bare.json", b'{"a":1}'): "with a schema_version",
        written("newer.json", b'{"schema_version":"9.0.0"}'): "has schema_version '9.0.0'",
        written("cut.db", whole[:100]): "is no SQLite file that can be read: ",
        tmp_path / "other.db": "has no table `memories`",
        tmp_path / "narrow.db": "has no column timestamp",
    }
    for path, why in wrong.items():
        ran = dry(streams, path)
        assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1), path
        assert why in ran.err
    assert streams("import", str(tmp_path / "gone.db")).code == 2
    assert dry(streams, tmp_path / "memories.db", options=("--tenant", "a b")).code == 2


def test_a_file_with_a_log_of_its_own_is_read_with_it_and_left_as_it_is(
    streams: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "log.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=wal")
        db.execute("CREATE TABLE memories (id INTEGER, content TEXT, timestamp REAL)")
        db.execute("INSERT INTO memories VALUES (1, 'x', 1767225600.25)")
        db.commit()
        assert "1 memories can be" in dry(streams, path).out
    assert "1 memories can be" in dry(streams, path).out
    assert [each.name for each in tmp_path.iterdir()] == ["log.db"]


def test_a_bad_key_of_state_is_a_line(streams: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    large = "x" * (1 << 16)
    path.write_text(json.dumps({"schema_version": "2.1.0", "..": 1, "ok": {}, "large": large}))
    ran = dry(streams, path)
    assert ran.code == 1
    assert "state.json: key ..: schema: " in ran.err
    assert "state.json: key large: too_large: " in ran.err
    assert "1 keys of state can be imported" in ran.out


def test_a_file_that_is_damaged_further_on_is_a_failure(
    streams: Callable[..., Any], tmp_path: Path
) -> None:
    rows = [old_store.ROWS[0] | {"id": f"m{n}"} for n in range(200)]
    path = old_store.make("2.1.0", tmp_path, rows)
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + bytes(len(whole) - 8192))
    ran = dry(streams, path)
    assert (ran.code, len(ran.err.splitlines())) == (1, 1)
    assert "can't be read to its end: " in ran.err
