"""Damage of a killed process's folder: never a wrong state, whatever was done to one file."""

import shutil
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from streams.core.errors import StoreDamaged
from streams.runtime import recovery, view
from streams.runtime.damage import look

from . import killed

SEED = 11


@pytest.fixture(autouse=True)
def _small_memtables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "WRITE_BUFFER_BYTES", killed.BUFFER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as two killed processes leave it: opened again, flushed and not."""
    here = tmp_path_factory.mktemp("damage") / "killed"
    for _ in range(2):
        killed.write_and_kill(here, SEED, 0.1)
    return here


def copied(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return to


def begun(path: Path, truth: killed.Truth) -> str:
    """Begin from a folder as an owner does, and compare all rows; says what was noticed where."""
    try:
        look(path)
    except Exception:
        return "before opening"
    try:
        db = view.open_database(path)
    except Exception:
        return "on opening"
    try:
        reader = view.DatabaseReader(db)
        number = killed.position(db)
        found = dict(view.scan_raw(reader.db, b"r/"))
        single = {key: value for key in found if (value := db.get(key)) is not None}
    except Exception as error:
        if not isinstance(view.lost_by(error), StoreDamaged):
            raise
        return "on reading"
    finally:
        recovery.close(db)
    assert found == single == truth.after(number)
    return f"no: {number}"


def cuts(manifest: Path) -> list[int]:
    """Where each of its records begins."""
    data, at, found = manifest.read_bytes(), 0, []
    while at < len(data):
        found.append(at)
        at += 7 + int.from_bytes(data[at + 4 : at + 6], "little")
    return found


def test_a_manifest_cut_at_any_record_is_never_believed(folder: Path, tmp_path: Path) -> None:
    (manifest,) = folder.glob("MANIFEST-*")
    truth, found = killed.Truth(SEED), Counter[str]()
    for cut in cuts(manifest):
        path = copied(folder, tmp_path / "copy")
        (path / manifest.name).write_bytes(manifest.read_bytes()[:cut])
        found[begun(path, truth)] += 1
    assert found["before opening"] > 5


def test_an_undamaged_one_is_whole(folder: Path, tmp_path: Path) -> None:
    assert begun(copied(folder, tmp_path / "copy"), killed.Truth(SEED)) > "no: 0"
    assert not (tmp_path / "copy.tables").exists()


def test_one_that_was_just_opened_or_closed_is_whole(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path / "copy")
    db = view.open_database(path)
    look(path)
    db.put(b"a", b"1")
    look(path)
    db.close()
    look(path)
    look(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["CURRENT", "*.log", "MANIFEST-*"])
def test_what_is_missing_is_noticed(folder: Path, tmp_path: Path, name: str) -> None:
    path = copied(folder, tmp_path / "copy")
    for file in path.glob(name):
        file.unlink()
    assert begun(path, killed.Truth(SEED)) == "before opening"


def test_a_damaged_one_is_put_aside_and_begun_anew(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path / "copy")
    (manifest,) = path.glob("MANIFEST-*")
    manifest.write_bytes(manifest.read_bytes()[:200])
    db = recovery.open_local(path)
    assert killed.position(db) == 0
    db.close()
    assert len(list(tmp_path.glob("copy.damaged-*"))) == 1


SEEDS = 3


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(SEEDS))
def test_never_a_wrong_state(tmp_path: Path, seed: int) -> None:
    """A kill is no damage; one file flipped, cut, removed, or an older one put in its place."""
    rng, truth = Random(seed), killed.Truth(seed)
    older: Path | None = None
    path, found = tmp_path / "state", Counter[str]()
    for _ in range(2):
        killed.write_and_kill(path, seed, rng.random() * 0.1)
        whole = begun(copied(path, tmp_path / "copy"), truth)
        assert whole.startswith("no: ")
        (manifest,) = path.glob("MANIFEST-*")
        for cut in rng.sample(cuts(manifest), min(len(cuts(manifest)), 8)):
            copy = copied(path, tmp_path / "copy")
            (copy / manifest.name).write_bytes(manifest.read_bytes()[:cut])
            found[begun(copy, truth)] += 1
        files = sorted(each.name for each in path.iterdir() if not each.name.startswith("OPT"))
        for name in rng.sample(files, min(len(files), 6)):
            for harm in ("flipped", "cut", "removed", "older"):
                copy = copied(path, tmp_path / "copy")
                _harm(copy / name, harm, rng, older)
                found[begun(copy, truth)] += 1
        older = copied(path, tmp_path / "older")
    assert found["before opening"] > 10


def _harm(file: Path, harm: str, rng: Random, older: Path | None) -> None:
    data = bytearray(file.read_bytes())
    if harm == "removed":
        file.unlink()
    elif harm == "older" and older is not None and (older / file.name).exists():
        shutil.copyfile(older / file.name, file)
    elif harm == "cut":
        file.write_bytes(data[: rng.randrange(len(data) + 1)])
    elif data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        file.write_bytes(data)
