"""Breaks brokers, one at a time, and waits until all hold everything again."""

import asyncio
import time
from collections.abc import Callable, Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.dev.kafka_cluster import EmbeddedCluster
from tests.faults.kinds import BrokerFault
from tests.faults.watch import Watch

RESUME_S = 120.0
"""Within this time every partition of input and log must go on without the broker, whatever befalls
workers and network beside it."""
NOTICED_S = 5.0
"""By then the others have put out a broker that was killed, and lead what it led."""
WHOLE_S = 180.0
STOP_S = 20.0


class Brokers:
    """Does a plan's faults to the brokers.

    Parameters
    ----------
    watches : callable
        Those of all groups that have something to do at the moment.

    Attributes
    ----------
    stalls : list of float
        The longest time in which a partition stood still after each fault, seconds.
    """

    def __init__(
        self,
        cluster: EmbeddedCluster,
        watches: Callable[[], Sequence[Watch]],
        note: Callable[[str], None],
    ) -> None:
        self.stalls: list[float] = []
        self._cluster = cluster
        self._watches = watches
        self._note = note

    async def befall(self, faults: Sequence[BrokerFault]) -> None:
        """Go through the faults; all brokers are up and hold everything afterwards."""
        for fault in faults:
            await self.whole()
            await asyncio.sleep(fault.after)
            self._note(str(fault))
            began = time.monotonic()
            node = self._cluster.nodes[fault.node - 1]
            if fault.kind == "kill":
                node.kill()
            else:
                await asyncio.to_thread(node.stop, STOP_S)
            if fault.kind == "bounce":
                node.spawn()
            await self._resumed(began, fault)
            await asyncio.sleep(fault.away - (time.monotonic() - began))
            if fault.kind != "bounce":
                node.spawn()
            await node.ready()
        await self.whole()
        self._note("all brokers are up")

    async def _resumed(self, since: float, fault: BrokerFault) -> None:
        settled = since + NOTICED_S
        try:
            async with asyncio.timeout(RESUME_S):
                while None in (gaps := [w.gap(since, settled) for w in self._watches()]):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        except TimeoutError:
            stuck = sorted(f"{p}" for watch in self._watches() for p in watch.stuck(settled))
            raise AssertionError(
                f"{stuck} did not go on within {RESUME_S:.0f} s of {fault}"
            ) from None
        self.stalls.append(round(max(gap for gap in gaps if gap is not None), 1))
        self._note(f"no partition stood still for more than {self.stalls[-1]} s of it")

    async def whole(self) -> None:
        """Wait until every partition of every topic has all its copies.

        Raises
        ------
        AssertionError
            One has not after some minutes.
        """
        lacking: list[str] = ["all"]
        try:
            async with asyncio.timeout(WHOLE_S):
                while lacking:
                    lacking = await self._lacking()
                    await asyncio.sleep(0.2 if lacking else 0)
        except TimeoutError:
            raise AssertionError(f"copies are missing after {WHOLE_S:.0f} s: {lacking}") from None

    async def _lacking(self) -> list[str]:
        client = AIOKafkaAdminClient(
            bootstrap_servers=self._cluster.bootstrap, request_timeout_ms=5_000
        )
        try:
            await client.start()
            return [
                f"{topic['topic']}/{part['partition']}"
                for topic in await client.describe_topics()
                for part in topic["partitions"]
                if len(part["isr"]) < len(part["replicas"])
            ]
        except (KafkaError, OSError, TimeoutError) as error:
            return [repr(error)]
        finally:
            await client.close()
