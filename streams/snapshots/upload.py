"""Which files of a snapshot must be uploaded, and when naming the others is safe.

The times and the argument are in garbage.py.
"""

from collections.abc import Mapping, Sequence, Set

import msgspec

from streams.snapshots.garbage import SETTLE, YOUNG
from streams.snapshots.manifest import File, Manifest


class LocalFile(msgspec.Struct, frozen=True):
    """A file of a checkpoint."""

    file: File
    written_at: int
    """When its bytes came to be, microseconds."""


class Held(msgspec.Struct, frozen=True):
    """An object that is in the store."""

    modified: int
    """When it was last written, microseconds."""
    size: int


class UploadPlan(msgspec.Struct, frozen=True):
    """What to do before the manifest may name all files."""

    upload: tuple[File, ...]
    settle: bool
    """Whether old content is brought back: a collector that saw it before may still delete it."""


def plan_upload(
    files: Sequence[LocalFile],
    newest: Manifest | None,
    stored: Mapping[str, Held],
    now: int,
    settled: Set[str] = frozenset(),
) -> UploadPlan:
    """Decide about each file.

    Parameters
    ----------
    newest : Manifest or None
        The partition's newest manifest, read before ``stored``.
    stored : mapping
        By sha256. One of another size is damaged, and as good as absent.
    now : int
        When the objects were listed, microseconds.
    settled : set of str
        What this upload wrote at least SETTLE before the objects were listed.
    """
    named = frozenset(file.sha256 for file in newest.objects) if newest else frozenset()
    upload: dict[str, File] = {}
    settle = False
    for local in files:
        if local.file.text:
            continue
        sha256 = local.file.sha256
        held = stored.get(sha256)
        whole = held is not None and held.size == local.file.size
        age = now - held.modified if held is not None and whole else None
        young = now - local.written_at < YOUNG
        lasts = young or sha256 in named or sha256 in settled
        if age is not None and (lasts or SETTLE <= age < YOUNG):
            continue
        upload.setdefault(sha256, local.file)
        settle |= not young
    return UploadPlan(tuple(upload.values()), settle)
