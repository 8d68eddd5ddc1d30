"""What a manifest says, and whether a partition may begin from it."""

from hashlib import sha256

import msgspec

from streams.core.errors import StreamsError
from streams.core.time import format_time
from streams.snapshots.names import Place, Position

FORMAT = 1
"""Of the manifest itself; rows have versions of their own."""


class BadManifest(StreamsError):
    """The bytes are no whole manifest: damaged, cut off, or of a later format."""


class File(msgspec.Struct, frozen=True):
    """A file of the database, kept as the object of its sha256."""

    name: str
    sha256: str
    size: int
    text: str = ""
    """All of it, where it is a line that other snapshots share; then there is no object."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A partition's state as it was at one commit. Fields are only ever added with a default."""

    group: str
    topic: str
    partition: int
    incarnation: int
    """Of the changelog."""
    changelog_offset: int
    """First record of the changelog that is not in it."""
    changelog_time: int
    """Broker time of the last record that is, microseconds: an older one may miss tombstones."""
    source_incarnation: int
    source_offset: int
    """Last folded record of the input."""
    log_time: int
    schema_version: str
    """Of the newest rows in it."""
    fold_version: int
    rows: int
    digest: str
    code_version: str
    created_at: int
    """Microseconds, by the writer's clock; decides nothing."""
    files: tuple[File, ...]

    @property
    def place(self) -> Place:
        """The partition."""
        return Place(self.group, self.topic, self.partition)

    @property
    def position(self) -> Position:
        """Where it stands among the partition's snapshots."""
        return Position(self.incarnation, self.changelog_offset)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def objects(self) -> tuple[File, ...]:
        """The files that are objects."""
        return tuple(file for file in self.files if not file.text)


class _Sealed(msgspec.Struct, frozen=True):
    """What lies in the store: the manifest as written, and the check over exactly those bytes."""

    format: int
    sha256: str
    manifest: msgspec.Raw


def encode(manifest: Manifest) -> bytes:
    """Bytes of a manifest (JSON), with a check: a flipped byte in a position must not be used."""
    inner = msgspec.json.encode(manifest)
    return msgspec.json.encode(_Sealed(FORMAT, sha256(inner).hexdigest(), msgspec.Raw(inner)))


def decode(data: bytes) -> Manifest:
    """Read a manifest.

    Raises
    ------
    BadManifest
        It is damaged, or of a later format.
    """
    try:
        sealed = msgspec.json.decode(data, type=_Sealed)
        if sealed.format > FORMAT:
            raise BadManifest(f"format {sealed.format} is newer than this code")
        if sha256(sealed.manifest).hexdigest() != sealed.sha256:
            raise BadManifest("its sha256 is not that of its bytes")
        return msgspec.json.decode(sealed.manifest, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BadManifest(f"it can't be read: {error}") from None
    except UnicodeDecodeError:
        raise BadManifest("it can't be read: no UTF-8") from None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot must be to be begun from."""

    place: Place
    incarnation: int | None = None
    """Of the changelog that goes on from it; None: whichever is the newest (a new cluster)."""
    end: int | None = None
    """End offset of that changelog: what is beyond it is of another one."""
    not_before: int = 0
    """Microseconds. The changelog may have lost tombstones that are older."""
    fold_version: int | None = None
    """The newest whose rows this code reads."""
    schemas: tuple[str, ...] | None = None
    """Those whose rows it reads."""
    same_folds: bool = False
    """Whether it must be of that version: what is folded on is to be what it folded from zero."""
    until: int | None = None
    """Log time, microseconds: what is of a later one is not wanted."""
    cuts: tuple[Position, ...] = ()
    """Where incarnations of the log end that a second cluster has gone on from."""

    def may_be(self, position: Position) -> bool:
        """Return whether a name alone does not rule it out."""
        return (self.incarnation is None or position.incarnation == self.incarnation) and (
            self.end is None or position.offset <= self.end
        )

    def refusal(self, manifest: Manifest, position: Position) -> str | None:
        """Say why a manifest found at this position can't be used, None when it can."""
        if (manifest.place, manifest.position) != (self.place, position):
            return "it does not say what its name says"
        if not self.may_be(position):
            return "it is of another changelog"
        if manifest.changelog_time < self.not_before:
            return "it is older than the changelog keeps tombstones: removed rows could come back"
        if self.fold_version is not None and manifest.fold_version > self.fold_version:
            return f"its folds ({manifest.fold_version}) are newer than this code"
        if self.schemas is not None and manifest.schema_version not in self.schemas:
            return f"its rows are of schema {manifest.schema_version}, newer than this code"
        if self.same_folds and manifest.fold_version != self.fold_version:
            return f"its folds ({manifest.fold_version}) are older than this code's"
        if self.until is not None and manifest.log_time > self.until:
            return f"it is of {format_time(manifest.log_time)}, later than what is wanted"
        for cut in self.cuts:
            here = manifest.source_incarnation == cut.incarnation
            if here and manifest.source_offset >= cut.offset:
                return "it goes on where a second cluster had already begun"
        return None
