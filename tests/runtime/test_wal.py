"""Logs as RocksDB writes them, and what was done to them."""

import shutil
from pathlib import Path

import msgspec
import pytest
from rocksdict import WriteBatch

from streams.core.errors import StoreDamaged
from streams.runtime.view import open_database
from streams.runtime.wal import Wal, read_wal


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 400 batches, some longer than a block, of 1 to 3 changes."""
    folder = tmp_path_factory.mktemp("wal")
    db = open_database(folder / "db")
    for number in range(400):
        batch = WriteBatch(raw_mode=True)
        for n in range(1 + number % 3):
            batch.put(b"%d/%d" % (number, n), bytes(40_000 if number % 50 == 49 else number))
        db.write(batch)
    (log,) = (folder / "db").glob("*.log")
    copy = folder / log.name
    shutil.copyfile(log, copy)
    db.close()
    return copy


def changed(written: Path, tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / written.name
    path.write_bytes(data)
    return path


def test_all_its_changes_are_counted(written: Path) -> None:
    assert read_wal(written) == Wal(1, 1 + sum(1 + n % 3 for n in range(400)), False)


def test_an_empty_one_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "000001.log").touch()
    assert read_wal(tmp_path / "000001.log") == Wal(None, 0, False)


def test_cut_anywhere_it_holds_what_comes_before(written: Path, tmp_path: Path) -> None:
    data = written.read_bytes()
    following = []
    # Byte by byte where blocks meet: a batch's first record may hold less than its header there.
    for cut in [*range(0, len(data), 9_973), *range((32 << 10) - 40, (32 << 10) + 40)]:
        wal = read_wal(changed(written, tmp_path, data[:cut]))
        assert wal.first in (None, 1)
        following.append((cut, wal.next))
    nexts = [after for _, after in sorted(following)]
    assert nexts == sorted(nexts)


def test_zeros_at_its_end_are_space_that_was_not_written(written: Path, tmp_path: Path) -> None:
    data = written.read_bytes()
    wal = read_wal(changed(written, tmp_path, data + bytes(5_000)))
    assert wal == msgspec.structs.replace(read_wal(written), torn=True)
    with pytest.raises(StoreDamaged, match="hole"):
        read_wal(changed(written, tmp_path, data + bytes(5_000) + b"x"))


def test_a_flipped_byte_is_noticed_or_ends_it(written: Path, tmp_path: Path) -> None:
    data = bytearray(written.read_bytes())
    whole = read_wal(written)
    noticed = 0
    for at in range(0, len(data), 14_999):
        data[at] ^= 0x10
        try:
            found = read_wal(changed(written, tmp_path, bytes(data)))
        except StoreDamaged:
            noticed += 1
        else:
            assert found.torn
            assert found.next < whole.next
        data[at] ^= 0x10
    assert noticed > len(data) // 14_999 * 0.9


def test_a_batch_cut_out_is_noticed(written: Path, tmp_path: Path) -> None:
    data = written.read_bytes()
    first = 7 + int.from_bytes(data[4:6], "little")
    second = first + 7 + int.from_bytes(data[first + 4 : first + 6], "little")
    # The rest stays in its place within the blocks.
    lacking = data[:first] + data[second : 32 << 10] + bytes(second - first)
    with pytest.raises(StoreDamaged, match="lacks batches before byte"):
        read_wal(changed(written, tmp_path, lacking))
