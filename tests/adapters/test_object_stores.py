"""What every object store must do: the folder, moto's S3, and in the deep tier a real S3 server."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.adapters.object_folder import FolderStore
from streams.adapters.s3 import Bucket, S3Store
from streams.core.errors import ObjectMissing, ObjectStoreError
from streams.ports import ObjectStore
from tests.buckets import credentials, new_bucket, versitygw


@pytest.fixture(scope="module")
def real_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("versitygw") / "buckets"
    with credentials(), versitygw(folder, port) as endpoint:
        new_bucket(endpoint, "real")
        yield endpoint


@pytest.fixture
def real(real_endpoint: str) -> Iterator[ObjectStore]:
    store = S3Store(Bucket(name="real", endpoint=real_endpoint))
    yield store
    store.delete([found.name for found in store.list("")])


def holds_the_contract(store: ObjectStore, folder: Path) -> None:
    """The whole suite in one, so that each kind of store passes the same."""
    folder.mkdir()
    what_is_written_is_read(store, folder)
    only_the_first_is_written(store)
    only_one_of_many_at_once_writes(store)
    lists_by_prefix(store)
    what_is_absent_is_told(store, folder)
    deletes_many(store)


def what_is_written_is_read(store: ObjectStore, folder: Path) -> None:
    source, target = folder / "source", folder / "target"
    source.write_bytes(bytes(range(256)) * 1_000)
    store.put("a/objects/1", source)
    store.fetch("a/objects/1", target)
    assert target.read_bytes() == source.read_bytes()
    store.put("a/objects/1", b"other")
    assert store.get("a/objects/1") == b"other"
    store.put("a/empty", b"")
    assert store.get("a/empty") == b""


def only_the_first_is_written(store: ObjectStore) -> None:
    assert store.put_if_absent("a/first", b"1")
    assert not store.put_if_absent("a/first", b"2")
    assert store.get("a/first") == b"1"


def only_one_of_many_at_once_writes(store: ObjectStore) -> None:
    together = threading.Barrier(6)
    won: list[bytes] = []

    def write(data: bytes) -> None:
        together.wait()
        if store.put_if_absent("a/race", data):
            won.append(data)

    threads = [threading.Thread(target=write, args=(bytes((n,)),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.get("a/race")] == won


def lists_by_prefix(store: ObjectStore) -> None:
    for name in ("l/x/1", "l/x/2", "l/xy", "l/y", "m"):
        store.put(name, name.encode())
    found = {stored.name: stored for stored in store.list("l/x")}
    assert list(found) == ["l/x/1", "l/x/2", "l/xy"]
    assert found["l/xy"].size == 4
    first, later = found["l/x/1"].modified, found["l/xy"].modified
    assert first <= later
    assert 1_700_000_000_000_000 < first < 4_000_000_000_000_000
    assert list(store.list("nothing/")) == []


def what_is_absent_is_told(store: ObjectStore, folder: Path) -> None:
    target = folder / "absent"
    with pytest.raises(ObjectMissing, match="a/none"):
        store.get("a/none")
    with pytest.raises(ObjectMissing, match="a/none"):
        store.fetch("a/none", target)
    assert not target.exists()


def deletes_many(store: ObjectStore) -> None:
    names = [f"d/{n:04}" for n in range(30)]
    for name in names:
        store.put(name, b"")
    store.delete([*names[1:], "d/never-there"])
    assert [stored.name for stored in store.list("d/")] == names[:1]
    store.delete([])


def test_each_store_holds_the_contract(object_store: ObjectStore, tmp_path: Path) -> None:
    holds_the_contract(object_store, tmp_path / "files")


@pytest.mark.deep
def test_a_real_server_holds_it(real: ObjectStore, tmp_path: Path) -> None:
    holds_the_contract(real, tmp_path / "files")
    over_a_page = [f"p/{n:04}" for n in range(1_100)]
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda name: real.put_if_absent(name, b""), over_a_page))
    assert [stored.name for stored in real.list("p/")] == over_a_page


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    for name in ("../x", "a/../../x", "/x", "a//x"):
        with pytest.raises(ObjectStoreError, match="no name"):
            store.put(name, b"")
    assert list(tmp_path.iterdir()) == []
