"""Several embedded Kafka nodes that hold copies of everything: for tests of brokers that end.

`streams up` keeps one node: on one machine three of them guard against nothing but bugs.
"""

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.dev.kafka import EmbeddedKafka, Membership
from streams.runtime.processes import free_port, write_whole

__all__ = ["EmbeddedCluster"]


class EmbeddedCluster:
    """Nodes, each broker and controller, with a copy of each topic on all of them.

    A record that is acknowledged (acks=all) is on all nodes but one at least, so any one may end.

    Parameters
    ----------
    data : Path
        Folder of the nodes' folders; a later start goes on with the same data and ports.
    nodes : int
        How many. With three, a majority decides while one is away.
    proxies : sequence of (int, int)
        Ports of a proxy to each and behind it; see `EmbeddedKafka`.

    Notes
    -----
    As with `EmbeddedKafka`, start it from the main thread.
    """

    def __init__(
        self, data: Path, nodes: int = 3, *, proxies: Sequence[tuple[int, int]] = ()
    ) -> None:
        self.data = Path(data).absolute()
        ports = self._ports(2 * nodes)
        controllers = tuple(ports[nodes:])
        self.nodes = [
            EmbeddedKafka(
                self.data / f"node-{i}",
                port=ports[i - 1],
                member=Membership(i, controllers),
                proxy=proxies[i - 1] if proxies else None,
            )
            for i in range(1, nodes + 1)
        ]

    @property
    def bootstrap(self) -> str:
        """Addresses of all nodes for clients: any one may be away when a client starts."""
        return ",".join(node.bootstrap for node in self.nodes)

    def start(self) -> None:
        """Start all nodes and return when each answers a metadata request; raises as a node's."""
        try:
            for node in self.nodes:
                node.spawn()
            with ThreadPoolExecutor(1) as waiting:
                waiting.submit(asyncio.run, self._ready()).result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all nodes at once: one that waits for the others' consent would wait in vain."""
        with ThreadPoolExecutor(len(self.nodes)) as stopping:
            for done in [stopping.submit(node.stop) for node in self.nodes]:
                done.result()

    def kill(self) -> None:
        """End all nodes as kill -9 does: quick, for data that nobody needs any more."""
        for node in self.nodes:
            node.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def _ready(self) -> None:
        await asyncio.gather(*(node.ready() for node in self.nodes))

    def _ports(self, number: int) -> list[int]:
        """Return the folder's ports; the first start chooses them."""
        kept = self.data / "ports.json"
        try:
            ports: list[int] = json.loads(kept.read_text())
        except (OSError, ValueError):
            ports = []
        if len(ports) != number:
            chosen: set[int] = set()
            while len(chosen) < number:
                chosen.add(free_port())
            ports = list(chosen)
            self.data.mkdir(parents=True, exist_ok=True)
            write_whole(kept, json.dumps(ports))
        return ports
