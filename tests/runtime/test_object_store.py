"""Which store the settings name."""

from pathlib import Path

from streams.adapters.object_folder import FolderStore
from streams.adapters.s3 import Bucket
from streams.runtime.object_store import open_bin
from streams.settings import Settings
from streams.snapshots.names import Layout


def test_without_a_bucket_the_same_names_lie_under_the_data_folder(tmp_path: Path) -> None:
    found = open_bin(Settings(data=str(tmp_path)))
    assert isinstance(found.store, FolderStore)
    found.store.put(found.layout.object("ab" * 32), b"x")
    assert (tmp_path / "snapshots" / "agent-state" / "objects" / ("ab" * 32)).read_bytes() == b"x"


def test_a_bucket_is_used_as_it_is_set(bucket: Bucket) -> None:
    found = open_bin(
        Settings(
            s3_bucket=bucket.name, s3_endpoint=bucket.endpoint, s3_prefix="/p/", s3_sse="AES256"
        )
    )
    assert found.layout == Layout("p")
    assert found.store.where == f"bucket {bucket.name} at {bucket.endpoint}"
    found.store.put(found.layout.object("ab" * 32), b"x")
    assert found.store.get(f"p/objects/{'ab' * 32}") == b"x"
