"""Names of manifests and objects (CONTRACT.md section 7) and the order of snapshots.

``PREFIX/GROUP/TOPIC-PARTITION/<incarnation>-<changelog offset>.json`` is a manifest,
``PREFIX/objects/<sha256>`` a file, and under ``PREFIX/archive/`` lie segments of logs
(segments.py). Numbers are plain decimals, so names are never sorted as text.
"""

import re
from typing import Self
from urllib.parse import quote, unquote

import msgspec

_MANIFEST = re.compile(r"(0|[1-9]\d*)-(0|[1-9]\d*)\.json", re.ASCII)
_FOLDER = re.compile(r"(.+)-(0|[1-9]\d*)", re.ASCII)
_SEGMENT = re.compile("-".join([r"(0|[1-9]\d*)"] * 4), re.ASCII)
_OBJECT = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Place(msgspec.Struct, frozen=True, order=True):
    """The partition that a snapshot is of."""

    group: str
    topic: str
    """Full name of the folded topic."""
    partition: int


class Position(msgspec.Struct, frozen=True, order=True):
    """Where in its changelog a snapshot stands. The later one is the newer, whoever wrote it.

    A zombie's comes before its successor's: it stands where the changelog has gone on since.
    """

    incarnation: int
    offset: int
    """Of the first changelog record that the snapshot does not hold."""


class Segment(msgspec.Struct, frozen=True, order=True):
    """A part of a log that was archived."""

    place: Place
    incarnation: int
    """Of the log."""
    first: int
    end: int
    """Offset of the first record that is not in it."""
    generation: int = 0
    """How often records were taken out of it."""


class Layout(msgspec.Struct, frozen=True):
    """Names under one prefix; the prefix may be empty."""

    prefix: str

    @classmethod
    def of(cls, prefix: str) -> Self:
        """Layout under a prefix with or without slashes around it."""
        return cls("/".join(part for part in prefix.split("/") if part))

    @property
    def root(self) -> str:
        """What all names begin with."""
        return f"{self.prefix}/" if self.prefix else ""

    @property
    def objects(self) -> str:
        """What names of objects begin with."""
        return f"{self.root}objects/"

    def folder(self, place: Place) -> str:
        """What names of a partition's manifests begin with.

        Examples
        --------
        >>> Layout.of("/agent-state/").folder(Place("streams", "tenant.log.v1", 3))
        'agent-state/streams/tenant.log.v1-3/'
        """
        return f"{self.root}{_part(place.group)}/{_part(place.topic)}-{place.partition}/"

    def manifest(self, place: Place, position: Position) -> str:
        """Name of a manifest.

        Examples
        --------
        >>> Layout.of("a").manifest(Place("g", "t", 0), Position(1, 42))
        'a/g/t-0/1-42.json'
        """
        return f"{self.folder(place)}{position.incarnation}-{position.offset}.json"

    def object(self, sha256: str) -> str:
        """Name of a file's object."""
        return f"{self.objects}{sha256}"

    def read_manifest(self, name: str) -> tuple[Place, Position] | None:
        """Return what a manifest's name says, None for any other name.

        Examples
        --------
        >>> Layout.of("a").read_manifest("a/g/t-0/1-42.json")[1]
        Position(incarnation=1, offset=42)
        >>> Layout.of("a").read_manifest("a/g/t-0/1-042.json")
        """
        if not name.startswith(self.root):
            return None
        parts = name[len(self.root) :].split("/")
        if len(parts) != 3:
            return None
        folder, file = _FOLDER.fullmatch(parts[1]), _MANIFEST.fullmatch(parts[2])
        if folder is None or file is None:
            return None
        place = Place(unquote(parts[0]), unquote(folder[1]), int(folder[2]))
        return place, Position(int(file[1]), int(file[2]))

    def archive(self, place: Place | None = None) -> str:
        """What names of a partition's segments begin with, or of all."""
        root = f"{self.root}archive/"
        return root if place is None else root + self.folder(place)[len(self.root) :]

    def segment(self, segment: Segment) -> str:
        """Name of a segment.

        Examples
        --------
        >>> Layout.of("a").segment(Segment(Place("g", "t", 0), 1, 40, 80))
        'a/archive/g/t-0/1-40-80-0'
        """
        numbers = (segment.incarnation, segment.first, segment.end, segment.generation)
        return self.archive(segment.place) + "-".join(map(str, numbers))

    def read_segment(self, name: str) -> Segment | None:
        """Return what a segment's name says, None for any other name.

        Examples
        --------
        >>> Layout.of("a").read_segment("a/archive/g/t-0/1-40-80-0").end
        80
        """
        parts = name.removeprefix(self.archive()).split("/")
        if not name.startswith(self.archive()) or len(parts) != 3:
            return None
        folder, numbers = _FOLDER.fullmatch(parts[1]), _SEGMENT.fullmatch(parts[2])
        if folder is None or numbers is None:
            return None
        place = Place(unquote(parts[0]), unquote(folder[1]), int(folder[2]))
        return Segment(place, *(int(number) for number in numbers.groups()))

    def read_object(self, name: str) -> str | None:
        """Return the sha256 in an object's name, None for any other name."""
        sha256 = name.removeprefix(self.objects)
        return sha256 if sha256 != name and _OBJECT.fullmatch(sha256) else None


def _part(text: str) -> str:
    """Kafka allows any group name; a name's part holds no slash and is neither ``.`` nor ``..``."""
    quoted = quote(text, safe="")
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted
