"""A bucket, and who uploads to it and collects from it: one request to the store a step.

Any actor may stop for good between two steps, or be frozen: for so long only that its request
still leaves within the time that the rules of streams/snapshots/garbage.py allow for it.
"""

from collections.abc import Iterator

from streams.core.time import HOUR
from streams.snapshots.garbage import (
    COMMIT_WITHIN,
    DELETE_WITHIN,
    SETTLE,
    SLACK,
    Stored,
    garbage,
    retired,
)
from streams.snapshots.manifest import Manifest
from streams.snapshots.names import Position
from streams.snapshots.upload import Held, LocalFile, plan_upload

from .manifests import file, manifest

Database = tuple[LocalFile, ...]


class World:
    """One partition's snapshots, and databases that were or are."""

    def __init__(self) -> None:
        self.now = 1_000 * HOUR
        self.objects: dict[str, int] = {}
        self.manifests: dict[Position, tuple[int, Manifest]] = {}
        self.databases: list[Database] = [()]
        self.actors: list[Iterator[int]] = []
        self.offset = 0
        self.files = 0

    def broken(self) -> list[Position]:
        """Manifests that have lost a file."""
        return [
            position
            for position, (_, made) in self.manifests.items()
            if any(one.sha256 not in self.objects for one in made.objects)
        ]

    def snapshot(self, base: int, keep: int, whole: bool) -> None:
        """A worker goes on from one of the last databases, perhaps an old one, and uploads."""
        before = self.databases[-1 - base % len(self.databases)]
        self._begin((*before[:keep], self._new_file(), self._new_file()), whole)

    def snapshot_of_restored(self, base: int, whole: bool) -> None:
        """A worker goes on from one of the snapshots: all its files look old."""
        if self.manifests:
            position = sorted(self.manifests)[-1 - base % len(self.manifests)]
            files = self.manifests[position][1].files
            self._begin((*(LocalFile(one, 0) for one in files[-3:]), self._new_file()), whole)

    def collect(self, keep: int, whole: bool) -> None:
        self._act(self._collector(keep), whole)

    def steps(self, actor: int, steps: int) -> None:
        """Let one of the last actors go on."""
        if self.actors:
            one = self.actors[-1 - actor % len(self.actors)]
            for _ in range(steps):
                if next(one, None) is None:
                    self.actors.remove(one)
                    break

    def _new_file(self) -> LocalFile:
        self.files += 1
        return LocalFile(file(f"f{self.files}"), self.now)

    def _begin(self, database: Database, whole: bool) -> None:
        self.databases.append(database)
        self.offset += 1
        self._act(self._uploader(Position(0, self.offset), database), whole)

    def _act(self, actor: Iterator[int], whole: bool) -> None:
        """Let an actor do all at once, or step by step among others."""
        if whole:
            for waits in actor:
                self.now += waits
        else:
            self.actors.append(actor)

    def _uploader(self, position: Position, files: Database) -> Iterator[int]:
        began = self.now
        newest = max(self.manifests, default=None)
        before = self.manifests[newest][1] if newest is not None else None
        yield 0
        settled: frozenset[str] = frozenset()
        while True:
            held = {sha256: Held(modified, 1) for sha256, modified in self.objects.items()}
            plan = plan_upload(files, before, held, self.now, settled)
            yield 0
            for one in plan.upload:
                self.objects[one.sha256] = self.now
                yield 0
            if not plan.settle:
                break
            until = self.now + SETTLE
            while self.now < until:
                yield SETTLE
            settled |= {one.sha256 for one in plan.upload}
        if self.now - began > COMMIT_WITHIN:
            return
        looked = self.now
        yield 0
        if self.now - looked <= SLACK:
            named = tuple(local.file for local in files)
            made = manifest(changelog_offset=position.offset, files=named)
            self.manifests[position] = (self.now, made)

    def _collector(self, keep: int) -> Iterator[int]:
        listed_at = self.now
        objects = dict(self.objects)
        yield 0
        manifests = dict(self.manifests)
        listed = [Stored(position, modified) for position, (modified, _) in manifests.items()]
        gone = retired(listed, self.now, keep=keep, keep_for=0)
        named = [made for position, (_, made) in manifests.items() if position not in gone]
        yield 0
        for position in gone:
            self.manifests.pop(position, None)
        yield 0
        for sha256 in garbage(objects.items(), listed_at, named):
            if self.now - listed_at > DELETE_WITHIN:
                return
            yield 0
            if self.now - listed_at < SETTLE:
                self.objects.pop(sha256, None)
