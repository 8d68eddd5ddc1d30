"""A run's bucket: what lies in it from before, what becomes of it, what must hold of it."""

import asyncio
import random
from collections.abc import Callable
from hashlib import sha256

import msgspec

from streams.adapters.s3 import Bucket, S3Store
from streams.runtime.snapshots import Bin, list_snapshots, read_manifest
from streams.snapshots.manifest import BadManifest, File, encode
from streams.snapshots.names import Layout, Place, Position
from tests.buckets import new_bucket
from tests.faults.wrong import Wrong
from tests.snapshots.manifests import manifest

ROT = ("rot", "cut_off", "lost")
"""Bytes of objects are flipped, objects are cut off, or deleted."""
OLD_S = 5 * 3600.0
"""Older than what is kept (two hours) and than unnamed objects may become (four)."""
LITTER = Place("litter", "tenant.log.v1", 0)
KEEP = 12
"""Snapshots of a partition that are kept: the default."""


class RunBucket:
    """One run's bucket, past the proxy.

    Parameters
    ----------
    backdate : callable
        See `tests.faults.site.Site`.
    """

    def __init__(
        self, endpoint: str, name: str, backdate: Callable[[str, str, float], None]
    ) -> None:
        new_bucket(endpoint, name)
        self.name = name
        self.bin = Bin(S3Store(Bucket(name=name, endpoint=endpoint)), Layout.of("agent-state"))
        self.damaged = 0
        self.deletions_wanted = False
        """Leave manifests whole: while one that is kept can't be read nothing is ever deleted."""
        self._backdate = backdate
        self._number = 0
        self._kept: dict[str, bytes] = {}

    def litter(self) -> None:
        """Put down what a collector must take away, and beside it what it must not; blocks."""
        store = self.bin.store
        if not self._kept:
            for n in range(KEEP):
                self._kept |= self._snapshot(10**6 + n)
        self._number += 1
        gone = self._snapshot(self._number) | self._object(b"unnamed %d" % self._number)
        for name, data in (self._kept | gone).items():
            if name in gone or self._number == 1:
                store.put(name, data)
                self._backdate(self.name, name, OLD_S)

    def _snapshot(self, offset: int) -> dict[str, bytes]:
        """A manifest and its one object."""
        ((name, data),) = self._object(b"table %d" % offset).items()
        digest = name.rpartition("/")[2]
        about = msgspec.structs.replace(
            manifest(changelog_offset=offset, files=(File("1.sst", digest, len(data)),)),
            group=LITTER.group,
            topic=LITTER.topic,
            partition=LITTER.partition,
            incarnation=0,
        )
        return {self.bin.layout.manifest(LITTER, Position(0, offset)): encode(about), name: data}

    def _object(self, data: bytes) -> dict[str, bytes]:
        return {self.bin.layout.object(sha256(data).hexdigest()): data}

    async def rot(self, kind: str, share: float, draw: random.Random) -> int:
        """Damage a share of the run's own snapshots' objects and manifests, at least one."""
        store = self.bin.store
        names = await self._own()
        if not names:
            return 0
        chosen = draw.sample(names, max(1, int(len(names) * share)))

        def one(name: str) -> None:
            data = bytearray(store.get(name))
            if kind == "lost" or not data:
                store.delete([name])
                return
            at = draw.randrange(len(data))
            if kind == "cut_off":
                del data[at:]
            else:
                data[at] ^= 1 << draw.randrange(8)
            store.put(name, bytes(data))

        for name in chosen:
            await asyncio.to_thread(one, name)
        self.damaged += len(chosen)
        return len(chosen)

    async def _own(self) -> list[str]:
        """Names of what may be damaged: manifests but the litter's, and the objects they name."""
        names: set[str] = set()
        for listed in await list_snapshots(self.bin):
            if listed.place != LITTER:
                try:
                    objects = (await read_manifest(self.bin, listed)).objects
                except BadManifest:
                    names.add(listed.name)
                    continue
                if not self.deletions_wanted:
                    names.add(listed.name)
                names |= {self.bin.layout.object(file.sha256) for file in objects}
        return sorted(names)

    async def snapshots(self, place: Place) -> int:
        return len(await list_snapshots(self.bin, place))

    async def check(self) -> list[Wrong]:
        """What had to stay is there as it was, and collectors took something away."""
        store = self.bin.store
        there = {found.name for found in await asyncio.to_thread(lambda: list(store.list("")))}
        wrong = [Wrong(f"collected although kept: {n}") for n in self._kept.keys() - there]
        old = {name for n in range(1, self._number + 1) for name in self._snapshot(n)}
        if self._number and old <= there:
            wrong.append(Wrong(f"nothing was collected of {len(old)} old names"))
        if self.damaged:
            return wrong
        for listed in await list_snapshots(self.bin):
            if listed.place == LITTER:
                continue
            for file in (await read_manifest(self.bin, listed)).objects:
                if self.bin.layout.object(file.sha256) not in there:
                    wrong.append(Wrong(f"{listed.name} names {file.sha256}, which is gone"))
        return wrong
