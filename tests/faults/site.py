"""Where fault runs take place: brokers and an S3 server, with a proxy before each for workers."""

import contextlib
import datetime
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from moto.s3.models import s3_backends

from streams.dev.kafka import EmbeddedKafka
from streams.dev.kafka_cluster import EmbeddedCluster
from streams.runtime.processes import free_port
from tests.buckets import credentials, moto, versitygw

Backdate = Callable[[str, str, float], None]
"""Of (bucket, name, seconds): makes an object so much older."""


@dataclass(frozen=True)
class Site:
    """Servers of a run, or of several one after the other.

    Attributes
    ----------
    kafka : str
        Bootstrap servers, past the proxies.
    proxies : tuple of (int, int)
        Ports of the proxies before the brokers, and the ports that they stand for.
    cluster : EmbeddedCluster or None
        Brokers that may be broken; None: there is one, and it stays.
    s3 : str
        URL of the S3 server, past its proxy.
    """

    kafka: str
    proxies: tuple[tuple[int, int], ...]
    cluster: EmbeddedCluster | None
    s3: str
    backdate: Backdate

    @property
    def proxied(self) -> str:
        """Bootstrap servers by way of the proxies."""
        return ",".join(f"127.0.0.1:{port}" for port, _ in self.proxies)

    @property
    def nodes(self) -> int:
        return len(self.proxies)


@contextlib.contextmanager
def site(data: Path, brokers: int = 1) -> Iterator[Site]:
    """Kafka and S3 whose data nobody needs afterwards, in a folder.

    It must be entered in the main thread (see `EmbeddedKafka`).
    """
    ports: set[int] = set()
    while len(ports) < 2 * brokers:
        ports.add(free_port())
    ordered = sorted(ports)
    proxies = tuple(zip(ordered[:brokers], ordered[brokers:], strict=True))
    kafka: EmbeddedKafka | EmbeddedCluster = (
        EmbeddedKafka(data / "kafka", proxy=proxies[0])
        if brokers == 1
        else EmbeddedCluster(data / "kafka", brokers, proxies=proxies)
    )
    with _s3(data / "s3") as (endpoint, backdate):
        try:
            kafka.start()
            cluster = kafka if isinstance(kafka, EmbeddedCluster) else None
            yield Site(kafka.bootstrap, proxies, cluster, endpoint, backdate)
        finally:
            kafka.kill()


@contextlib.contextmanager
def _s3(folder: Path) -> Iterator[tuple[str, Backdate]]:
    """A real server; moto's where there is no Go to build it with, but not in CI."""
    if shutil.which("go") or os.environ.get("CI"):

        def by_files(bucket: str, name: str, seconds: float) -> None:
            at = time.time() - seconds
            os.utime(folder / bucket / name, (at, at))

        folder.parent.mkdir(parents=True, exist_ok=True)
        with credentials(), versitygw(folder, free_port()) as endpoint:
            yield endpoint, by_files
        return

    def by_memory(bucket: str, name: str, seconds: float) -> None:
        for backend in s3_backends.values():
            key = backend["aws"].buckets[bucket].keys[name]
            key.last_modified -= datetime.timedelta(seconds=seconds)

    with credentials(), moto() as endpoint:
        yield endpoint, by_memory
