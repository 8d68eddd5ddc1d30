"""What is around a run's workers: the network and the bucket, and what a plan lets befall them."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from streams import topology
from streams.runtime.processes import free_port
from streams.settings import Settings
from streams.snapshots.names import Place
from tests.faults.bucket import ROT, RunBucket
from tests.faults.bucket_proxy import BadDay, BucketProxy
from tests.faults.fleet import Fleet
from tests.faults.kinds import BucketFault, NetFault
from tests.faults.proxy import Proxy, Weather, owner_of
from tests.faults.site import Site

HIT_S = 60.0
"""Within this time a fault must have befallen something."""
LOOK_S = 0.1
LITTER_S = 2.0
SNAPSHOTS_S = 120.0


class Around:
    """Proxies before a site's servers, and a bucket of the run's own.

    Parameters
    ----------
    settings : Settings
        As the run itself has them, past all proxies.
    seed : int
        Of what the plan leaves open.
    """

    def __init__(
        self, site: Site, settings: Settings, seed: int, note: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._site = site
        self._note = note
        self._weather = Weather(random.Random(f"weather {seed}"))
        self._day = BadDay(random.Random(f"bad day {seed}"))
        self._s3_port = free_port()
        self._proxies: list[Proxy] = []
        self.bucket = RunBucket(site.s3, settings.s3_bucket, site.backdate)

    @property
    def workers_settings(self) -> Settings:
        """As workers have them: all servers are where the proxies are."""
        s3 = f"http://127.0.0.1:{self._s3_port}"
        return msgspec.structs.replace(self._settings, kafka=self._site.proxied, s3_endpoint=s3)

    @property
    def hits(self) -> Counter[str]:
        """How much each fault has befallen."""
        kafka = Counter({f"kafka {kind}": n for kind, n in self._weather.hits.items()})
        return kafka + Counter({f"s3 {kind}": n for kind, n in self._day.hits.items()})

    @contextlib.asynccontextmanager
    async def standing(self, fleet: Fleet) -> AsyncIterator[None]:
        """All proxies listen, and the bucket is littered, until the context ends."""

        def owner(port: int) -> str:
            return owner_of(port, ((worker.name, worker.pid) for worker in fleet.alive()))

        await asyncio.to_thread(self.bucket.litter)
        async with contextlib.AsyncExitStack() as stack:
            for port, to in self._site.proxies:
                proxy = Proxy(port, to, self._weather, owner)
                self._proxies.append(await stack.enter_async_context(proxy))
            s3_port = int(self._site.s3.rpartition(":")[2])
            await stack.enter_async_context(BucketProxy(self._s3_port, s3_port, self._day))
            litter = asyncio.create_task(self._litter())
            try:
                yield
            finally:
                litter.cancel()

    async def snapshots(self) -> None:
        """Wait until each partition has a snapshot."""
        settings = self._settings
        log = topology.name(settings, topology.TENANT_LOG)
        async with asyncio.timeout(SNAPSHOTS_S):
            for partition in range(settings.partitions):
                place = Place(settings.group, log, partition)
                while not await self.bucket.snapshots(place):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_S)

    async def net(self, faults: Sequence[NetFault], fleet: Fleet) -> None:
        """Let faults befall connections with Kafka."""
        weather = self._weather
        for fault in faults:
            await asyncio.sleep(fault.after)
            before = weather.hits[fault.kind]
            end = time.monotonic() + HIT_S
            while weather.hits[fault.kind] == before and time.monotonic() < end:
                there = [w.name for w in fleet.alive() if w.role == fault.on]
                if fault.on != "all" and not there:
                    await asyncio.sleep(LOOK_S)
                    continue
                on = "" if fault.on == "all" else weather.draw.choice(there)
                self._note(f"{fault}: {on or 'all'}")
                weather.turn(fault.kind, on)
                for proxy in self._proxies:
                    proxy.strike()
                await asyncio.sleep(fault.lasts)
            weather.turn()
            self._over(fault, weather.hits[fault.kind] - before)

    async def s3(self, faults: Sequence[BucketFault]) -> None:
        """Let faults befall requests of the bucket, and objects in it."""
        for fault in faults:
            await asyncio.sleep(fault.after)
            self._note(str(fault))
            hits = await (self._rot if fault.kind in ROT else self._bad_day)(fault)
            self._over(fault, hits)

    async def _rot(self, fault: BucketFault) -> int:
        end = time.monotonic() + HIT_S
        hits = 0
        while not hits and time.monotonic() < end:
            hits = await self.bucket.rot(fault.kind, fault.share, self._day.draw)
            await asyncio.sleep(LOOK_S)
        self._day.hits[fault.kind] += hits
        return hits

    async def _bad_day(self, fault: BucketFault) -> int:
        day = self._day
        end = time.monotonic() + HIT_S
        before = day.hits[fault.kind]
        day.turn(fault.kind, fault.share)
        await asyncio.sleep(fault.lasts)
        while day.hits[fault.kind] == before and time.monotonic() < end:
            # What may come seldom comes for sure then.
            day.turn(fault.kind, 1.0)
            await asyncio.sleep(LOOK_S)
        day.turn()
        return day.hits[fault.kind] - before

    async def _litter(self) -> None:
        while True:
            await asyncio.sleep(LITTER_S)
            await asyncio.to_thread(self.bucket.litter)

    def _over(self, fault: NetFault | BucketFault, hits: int) -> None:
        self._note(f"{fault.kind} is over, it befell {hits}")
        if not hits:
            raise AssertionError(f"{fault} befell nothing within {HIT_S:.0f} s")
