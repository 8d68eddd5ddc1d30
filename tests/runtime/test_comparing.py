"""A live digest beside another state's: at one offset, or it is said why not."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from agents.whole_log import Raw
from msgspec import structs

from streams.core.rows import encode_row, tenant_key
from streams.runtime.comparing import Compared, Live, _compared, _linked, _Other
from streams.runtime.digest import digest
from streams.runtime.log_sources import Span
from streams.runtime.replay import fold_all, open_folding
from streams.runtime.view import open_database
from streams.settings import Settings

from .replaying import FakeLog
from .stores import TENANT, Count, chunk, event, job

JOB = job(Settings(partitions=1))
RECORDS: list[Raw] = [Raw(*r) for r in chunk(0, [event(n) for n in range(20)]).records]
NAME = f"{JOB.topic}-0"


def folded(folder: Path, records: Sequence[Raw]) -> str:
    """Digest of a state folded from these."""
    db = open_database(folder)
    try:
        fold_all(open_folding(JOB, 0, db), db, records)
        return digest(db.iter()).hex
    finally:
        db.close()


async def compared(tmp_path: Path, live: Live, begin: int = 0, data: str = "nowhere") -> Compared:
    log = FakeLog([(Span(0, begin, 20), RECORDS[begin:])])
    other = _Other(JOB, 0, tmp_path / NAME)
    return await _compared(Settings(data=data), "replay", [log], other, live, None)


def live_at(folder: Path, size: int) -> Live:
    return Live(JOB.topic, 0, "w", size - 1, folded(folder, RECORDS[:size]), "running")


async def test_what_is_behind_is_folded_up_to_the_live_one(tmp_path: Path) -> None:
    folded(tmp_path / NAME, RECORDS[:7])
    live = live_at(tmp_path / "live", 15)
    found = await compared(tmp_path, live)
    assert (found.same, found.begun_at, found.offset) == (True, 6, 14)
    assert found.rebuilt == live.digest


@pytest.mark.parametrize(
    ("begin", "size", "note"),
    [
        (10, 15, r"at offset 6, the live one at 14: .*offsets 7 to 9 are gone"),
        (0, 5, "at offset 6, the live one at 4: they can't be compared"),
    ],
)
async def test_what_can_not_be_brought_there_is_not_called_different(
    tmp_path: Path, begin: int, size: int, note: str
) -> None:
    folded(tmp_path / NAME, RECORDS[:7])
    found = await compared(tmp_path, live_at(tmp_path / "live", size), begin)
    assert (found.same, found.rebuilt, found.difference) == (False, None, None)
    assert re.search(note, found.note or "")


async def test_a_flipped_row_is_named_though_the_live_state_went_on(tmp_path: Path) -> None:
    home = tmp_path / "data" / "w" / NAME
    live = live_at(home, 15)
    folded(tmp_path / NAME, RECORDS[:7])
    db = open_database(tmp_path / NAME)
    db.put(tenant_key(Count, TENANT), encode_row(Count(700)))
    db.close()
    running = open_database(home)
    fold_all(open_folding(JOB, 0, running), running, RECORDS[:18])
    found = await compared(tmp_path, live, data=str(tmp_path / "data"))
    running.close()
    assert (found.same, found.note) == (False, None)
    assert found.difference is not None
    assert (found.difference.tenant, found.difference.key) == (TENANT, "")
    found = await compared(tmp_path, structs.replace(live, offset=17))
    assert found.difference is None
    assert found.note is not None
    assert found.note.startswith("no row can be named: the live rows are not in nowhere")


async def test_one_without_a_digest_is_never_the_same(tmp_path: Path) -> None:
    folded(tmp_path / NAME, RECORDS[:7])
    found = await compared(tmp_path, Live(JOB.topic, 0, "", -1, None, "unowned"))
    assert (found.same, found.note) == (False, "the live one has no digest: unowned")


def test_a_copy_shares_tables_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    for name in ("1.sst", "MANIFEST-1"):
        (folder / name).write_text(name)
    shutil.copytree(folder, tmp_path / "b", copy_function=_linked)
    assert (tmp_path / "b" / "1.sst").samefile(folder / "1.sst")
    assert not (tmp_path / "b" / "MANIFEST-1").samefile(folder / "MANIFEST-1")
    assert (tmp_path / "b" / "MANIFEST-1").read_text() == "MANIFEST-1"
