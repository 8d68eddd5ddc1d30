"""`streams migrate` on databases at rest: killed anywhere and gone on with, it is done once."""

import json
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.errors import Misuse
from streams.core.log import DEFAULT_CONFIG
from streams.core.rows import version_of
from streams.memory.rows import memory_key
from streams.runtime import migration, positions
from streams.runtime.digest import digest
from streams.runtime.migration import Migrated, at_rest, databases, migrate, rewrite
from streams.runtime.row_kinds import KINDS
from streams.runtime.view import open_database

GOLDEN: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "golden" / "memory_rows.json").read_bytes()
)
VALUES = [bytes.fromhex(memory["row"]) for schema in GOLDEN.values() for memory in schema]
STATE = "worker-0/x-tenant.log.v1-3"


def fill(path: Path, rows: list[int]) -> None:
    """Make a database of golden memories, given by their numbers."""
    db = open_database(path)
    for place, number in enumerate(rows):
        db[memory_key("t1", f"m{place:03}")] = VALUES[number]
    db[positions.CONFIG_KEY] = positions.encode(DEFAULT_CONFIG)
    db[b"\x01d/1"] = b"not a row"
    db.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    fill(tmp_path / STATE, [*range(len(VALUES))] * 3)
    return tmp_path


def content(path: Path) -> dict[bytes, bytes]:
    db = open_database(path)
    found = dict(db.items())
    db.close()
    return found


def digest_of(path: Path) -> str:
    db = open_database(path)
    found = digest(db.iter()).hex
    db.close()
    return found


def test_every_row_is_the_newest_and_the_digest_is_the_same(data: Path) -> None:
    before, [place] = digest_of(data / STATE), databases(data)
    done = migrate(place, dry_run=False)
    rows = {"Memory": {"1.0.0": 9, "1.1.0": 9, "2.0.0": 9, "2.1.0": 9}}
    rewritten = {"Memory": {"1.0.0": 9, "1.1.0": 9, "2.0.0": 9}}
    assert done == Migrated("worker-0", "x-tenant.log.v1", 3, "2.1.0", rows, rewritten)
    after = content(data / STATE)
    assert {version_of(v) for k, v in after.items() if k >= positions.LOGICAL_START} == {4}
    assert (digest_of(data / STATE), after[b"\x01d/1"]) == (before, b"not a row")
    assert positions.MIGRATING_KEY not in after
    again = migrate(place, dry_run=False)
    assert (again.rows, again.rewritten) == ({"Memory": {"2.1.0": 36}}, {})


def test_a_dry_run_tells_the_same_and_writes_nothing(data: Path) -> None:
    [place] = databases(data)
    before = content(place.path)
    dry = migrate(place, dry_run=True)
    assert content(place.path) == before
    assert migrate(place, dry_run=False) == dry


class Killed(Exception):
    """Nothing that is written, is not; nothing else happens any more."""


@settings(max_examples=15, deadline=None)
@given(
    rows=st.lists(st.integers(0, len(VALUES) - 1), max_size=12),
    kills=st.lists(st.integers(0, 5), max_size=4),
)
def test_killed_anywhere_and_resumed_is_once(rows: list[int], kills: list[int]) -> None:
    left = 0

    def reach(name: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    with tempfile.TemporaryDirectory() as folder, patch.object(migration, "AT_ONCE", 3):
        states = []
        for name, killed in (("once", []), ("often", kills)):
            fill(Path(folder) / name, rows)
            db = open_database(Path(folder) / name)
            with patch.object(migration, "reach", reach):
                for passes in killed:
                    left = passes
                    with suppress(Killed):
                        rewrite(db, 4, KINDS)
            done = rewrite(db, 4, KINDS)
            assert sum(done.rows.get("Memory", {}).values()) == len(rows)
            states.append(dict(db.items()))
            db.close()
        assert states[0] == states[1]


def test_what_an_other_schema_left_off_begins_anew(data: Path) -> None:
    db = open_database(data / STATE)
    cursor = migration._Cursor(3, memory_key("t1", "m020"))
    db[positions.MIGRATING_KEY] = positions.encode(cursor)
    done = rewrite(db, 4, KINDS)
    db.close()
    assert sum(done.rows["Memory"].values()) == 36


def test_one_that_can_not_be_read_is_told(data: Path) -> None:
    db = open_database(data / STATE)
    db[memory_key("t1", "m000")] = VALUES[0][:-1]
    db.close()
    [place] = databases(data)
    assert "a MemoryRow100 row can't be read" in (migrate(place, dry_run=False).error or "")


def test_only_whole_databases_are_found(data: Path) -> None:
    (data / "worker-0" / "x-tenant.log.v1-4").mkdir()
    (data / STATE).with_name("x-tenant.log.v1-3.damaged-17").mkdir()
    (data / "snapshots").mkdir()
    assert [place.partition for place in databases(data)] == [3]
    with pytest.raises(Misuse, match="no state in"), at_rest(data / "worker-0"):
        pass


# -- the command ---------------------------------------------------------------------------------


def command(data: Path, *options: str, failpoint: str = "") -> "subprocess.CompletedProcess[str]":
    arguments = [sys.executable, "-m", "streams", "migrate", "--data", str(data), *options]
    environment = {"STREAMS_FAILPOINT": failpoint, "PATH": "/usr/bin:/bin"}
    environment["PYTHONPATH"] = str(Path(migration.__file__).parents[2])
    return subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    "point", [pytest.param("migrate.read", marks=pytest.mark.deep), "migrate.written"]
)
def test_a_killed_command_is_gone_on_with(data: Path, tmp_path: Path, point: str) -> None:
    fill(data / STATE, [0] * 2500)
    before = digest_of(data / STATE)
    ran = command(data, "--json", failpoint=f"{point}+1@{tmp_path / 'flag'}")
    assert ran.returncode == -signal.SIGKILL
    assert positions.MIGRATING_KEY in content(data / STATE)
    ran = command(data, "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    [item] = json.loads(ran.stdout)["items"]
    assert item["rewritten"] == item["rows"] == {"Memory": {"1.0.0": 2500}}
    assert digest_of(data / STATE) == before


def test_a_folder_whose_worker_runs_is_left_alone(data: Path) -> None:
    before = content(data / STATE)
    with at_rest(data):
        ran = command(data)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"streams: {data}/worker-0 is in use by a running worker; stop it first\n"
    assert content(data / STATE) == before
