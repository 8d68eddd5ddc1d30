"""Objects in a folder: what stands in for a bucket where none is set."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from streams.core.errors import ObjectMissing, ObjectStoreError
from streams.ports import StoredObject

_UNFINISHED = ".unfinished"
_LEFT_BEHIND_SECONDS = 86_400
_number = count()


class FolderStore:
    """`streams.ports.ObjectStore` in a folder, with the same names as in a bucket.

    An object is written under another name, synced, and renamed or linked: it is whole or absent,
    after a crash of the machine too.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._clear_unfinished()

    @property
    def where(self) -> str:
        return f"folder {self._root}"

    def put(self, name: str, data: bytes | Path) -> None:
        with self._written(name, data) as (written, path):
            written.replace(path)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        with self._written(name, data) as (written, path):
            try:
                path.hardlink_to(written)
            except FileExistsError:
                return False
        return True

    def get(self, name: str) -> bytes:
        with _told(name):
            return self._path(name).read_bytes()

    def fetch(self, name: str, path: Path) -> None:
        with _told(name):
            shutil.copyfile(self._path(name), path)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        with _told(prefix):
            yield from sorted(self._found(prefix), key=lambda found: found.name)

    def delete(self, names: Sequence[str]) -> None:
        for name in names:
            with _told(name):
                self._path(name).unlink(missing_ok=True)

    def _found(self, prefix: str) -> Iterator[StoredObject]:
        folder = self._root / prefix.rpartition("/")[0]
        for at, _, files in os.walk(folder):
            for file in files:
                path = Path(at, file)
                name = path.relative_to(self._root).as_posix()
                if not name.startswith(prefix) or name.startswith(_UNFINISHED):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    status = path.stat()
                    yield StoredObject(name, status.st_size, status.st_mtime_ns // 1000)

    @contextlib.contextmanager
    def _written(self, name: str, data: bytes | Path) -> Iterator[tuple[Path, Path]]:
        path = self._path(name)
        mark = f"{os.getpid()}-{threading.get_ident()}-{next(_number)}"
        unfinished = self._root / _UNFINISHED / mark
        with _told(name):
            unfinished.parent.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with unfinished.open("wb") as file:
                    if isinstance(data, Path):
                        with data.open("rb") as source:
                            shutil.copyfileobj(source, file, 1 << 20)
                    else:
                        file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                yield unfinished, path
                _sync_folder(path.parent)
            finally:
                unfinished.unlink(missing_ok=True)

    def _clear_unfinished(self) -> None:
        """Remove what processes that died left behind long ago."""
        for path in (self._root / _UNFINISHED).glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _LEFT_BEHIND_SECONDS:
                    path.unlink()

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        if "" in parts or "." in parts or ".." in parts:
            raise ObjectStoreError(f"{name!r} is no name of an object")
        return self._root.joinpath(*parts)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ObjectMissing(f"there is no {name}") from None
    except OSError as error:
        raise ObjectStoreError(f"{name}: {error.strerror or error}") from error
