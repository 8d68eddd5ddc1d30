"""Sealed segments of a log: what Kafka forgets after its retention, kept as objects.

``PREFIX/archive/GROUP/TOPIC-PARTITION/<incarnation>-<first>-<end>-<generation>`` holds every record
from offset ``first`` to below ``end``. It is a line of JSON, the head, then the records, compressed
(zstd over msgpack). A segment is never written over. To take something out of single
records, or all of them, the next generation of it is written, offsets kept, and the one before is
deleted.

Segments may overlap: a frozen owner and its successor may both have written. Committed records
never change, so either may be read.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import groupby

import cramjam
import msgspec

from streams.core.errors import StreamsError
from streams.snapshots.names import Position, Segment

FORMAT = 1
LEVEL = 3
"""Of zstd: more takes longer than the upload saves."""


class BadSegment(StreamsError):
    """The bytes are no whole segment, or not the one that the name says."""


class Gap(StreamsError):
    """Records are missing between two segments."""


class LogRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record of a log as Kafka had it."""

    offset: int
    timestamp: int
    """LogAppendTime, milliseconds."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment says about itself. Fields are only ever added with a default."""

    segment: Segment
    records: int
    removed: int = 0
    """Records of which something was taken out, or all; of each rewriting."""
    first_time: int
    """Log time of its first record, milliseconds; 0 where it has none."""
    last_time: int
    code_version: str
    follows: Position | None = None
    """Where the log went on from, in its incarnation before; what comes after that is void."""


class _Sealed(msgspec.Struct, frozen=True):
    format: int
    sha256: str
    """Of the head's bytes and the compressed ones."""
    head: msgspec.Raw


_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(list[LogRecord])


def seal(
    segment: Segment,
    records: Sequence[LogRecord],
    code_version: str,
    *,
    removed: int = 0,
    follows: Position | None = None,
) -> bytes:
    """Bytes of a segment.

    Parameters
    ----------
    records : sequence of LogRecord
        In their order, all from ``segment.first`` to below ``segment.end`` that are there.
    """
    head = msgspec.json.encode(
        Head(
            segment=segment,
            records=len(records),
            removed=removed,
            first_time=records[0].timestamp if records else 0,
            last_time=records[-1].timestamp if records else 0,
            code_version=code_version,
            follows=follows,
        )
    )
    body = bytes(cramjam.zstd.compress(_pack.encode(records), level=LEVEL))
    sealed = _Sealed(FORMAT, sha256(head + body).hexdigest(), msgspec.Raw(head))
    return msgspec.json.encode(sealed) + b"\n" + body


def unseal(segment: Segment, data: bytes) -> tuple[Head, list[LogRecord]]:
    """Read a segment.

    Raises
    ------
    BadSegment
        It is damaged, of a later format, or another one than its name says.
    """
    line, _, body = data.partition(b"\n")
    try:
        sealed = msgspec.json.decode(line, type=_Sealed)
        if sealed.format > FORMAT:
            raise BadSegment(f"format {sealed.format} is newer than this code")
        if sha256(bytes(sealed.head) + body).hexdigest() != sealed.sha256:
            raise BadSegment("its sha256 is not that of its bytes")
        head = msgspec.json.decode(sealed.head, type=Head)
        if head.segment != segment:
            raise BadSegment("it does not say what its name says")
        return head, _unpack.decode(bytes(cramjam.zstd.decompress(body)))
    except (msgspec.MsgspecError, UnicodeDecodeError, cramjam.DecompressionError) as error:
        raise BadSegment(f"it can't be read: {error}") from None


def rewritten(
    segment: Segment,
    data: bytes,
    change: Callable[[LogRecord], LogRecord | None],
    code_version: str,
) -> tuple[Segment, bytes] | None:
    """Return the next generation of a segment, in which records say less; None: all stay as is.

    Parameters
    ----------
    change : callable
        Gives the record as it is to be; None: it goes. The same record: it stays.

    Raises
    ------
    BadSegment
    """
    head, records = unseal(segment, data)
    made = [change(record) for record in records]
    count = sum(now is not record for now, record in zip(made, records, strict=True))
    if not count:
        return None
    left = [record for record in made if record is not None]
    successor = msgspec.structs.replace(segment, generation=segment.generation + 1)
    removed = head.removed + count
    return successor, seal(successor, left, code_version, removed=removed, follows=head.follows)


def chain(segments: Iterable[Segment], start: Position) -> list[Segment]:
    """Return what is to be read, one after the other, from a position of the log on.

    Of each segment the last generation; of several that hold an offset the one that goes farthest.
    A log that was made anew goes on at offset 0 of its next incarnation.

    Parameters
    ----------
    segments : iterable of Segment
        Of one partition.

    Raises
    ------
    Gap
        Later segments than the chain's last are there, but not what follows it.

    Examples
    --------
    >>> from streams.snapshots.names import Place
    >>> log = Place("g", "log", 0)
    >>> found = [Segment(log, 0, 0, 10), Segment(log, 0, 5, 30), Segment(log, 0, 10, 20)]
    >>> [(each.first, each.end) for each in chain(found, Position(0, 7))]
    [(5, 30)]
    """
    # Sorted, so of equal ranges the last generation is kept.
    latest = {(each.incarnation, each.first, each.end): each for each in sorted(segments)}
    found: list[Segment] = []
    for incarnation, group in groupby(latest.values(), key=lambda each: each.incarnation):
        if incarnation < start.incarnation:
            continue
        at = start.offset if incarnation == start.incarnation else 0
        farthest: Segment | None = None
        for each in group:
            if each.first > at and farthest is not None:
                found.append(farthest)
                at, farthest = farthest.end, None
            if each.first > at:
                missing = f"{at} to {each.first - 1} of incarnation {incarnation}"
                raise Gap(f"the archive has no segment with the offsets {missing}")
            if each.end > (at if farthest is None else farthest.end):
                farthest = each
        if farthest is not None:
            found.append(farthest)
    return found


def archived_to(segments: Iterable[Segment], incarnation: int) -> int | None:
    """Return the offset that the archive of an incarnation ends before, None where it has none."""
    return max((each.end for each in segments if each.incarnation == incarnation), default=None)
