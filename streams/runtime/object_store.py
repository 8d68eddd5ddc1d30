"""The object store that the settings name."""

from importlib import import_module
from pathlib import Path

from streams.adapters.object_folder import FolderStore
from streams.ports import ObjectStore
from streams.runtime.snapshots import Bin
from streams.settings import Settings
from streams.snapshots.names import Layout


def open_bin(settings: Settings) -> Bin:
    """Open the bucket, or the folder that stands in for it (the same names under it).

    Raises
    ------
    ObjectStoreError
        The bucket's settings are wrong. Whether it can be reached shows when it is used.
    """
    store: ObjectStore
    if settings.s3_bucket:
        # Only here: boto3 takes a third of a second and 30 MB.
        s3 = import_module("streams.adapters.s3")
        store = s3.S3Store(
            s3.Bucket(
                name=settings.s3_bucket,
                endpoint=settings.s3_endpoint,
                addressing=settings.s3_addressing,
                sse=settings.s3_sse,
                sse_key=settings.s3_sse_key,
            )
        )
    else:
        store = FolderStore(Path(settings.data) / "snapshots")
    return Bin(store, Layout.of(settings.s3_prefix))
