"""The faults that a plan is made of; each says about how long it takes, and what it is."""

from dataclasses import dataclass

BETWEEN_S = 4.0
"""About what a fault takes besides its own times: mostly the restart after it."""


@dataclass(frozen=True)
class Fault:
    """One fault of one worker.

    Attributes
    ----------
    kind : str
        ``failpoint`` (the process kills itself there), ``kill``, ``wipe`` (kill and lose the disk),
        ``damage`` (kill, then bytes of its files are flipped or cut off), ``full`` (no file of it
        grows until the process is back or ``away`` is over), ``freeze`` (SIGSTOP, then SIGCONT),
        ``stop`` (SIGTERM), ``join`` (a new worker comes; the first of its list), ``leave``
        (SIGTERM, for good), ``gone`` (kill, for good), or of a worker of its own ``visit`` and
        ``call`` (it comes, and is killed or stopped, ready or not).
    after : float
        Seconds of work before it; at a failpoint how often the point is passed.
    away : float
        Seconds until the process is back; more than the session timeout moves its partitions. Of a
        visit: how long it lasts.
    """

    kind: str
    after: float
    away: float = 0.0
    point: str = ""

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return (0 if self.point else self.after) + self.away + BETWEEN_S

    def __str__(self) -> str:
        what = f"{self.point} pass {self.after:.0f}" if self.point else f"after {self.after:.1f} s"
        return f"{self.kind} {what}" + (f", away {self.away:.1f} s" if self.away else "")


@dataclass(frozen=True)
class BrokerFault:
    """One fault of one broker.

    Attributes
    ----------
    kind : str
        ``kill`` (kill -9), ``stop`` (SIGTERM) or ``bounce`` (SIGTERM, then started at once).
    node : int
        Which one, from 1.
    after : float
        Seconds during which all brokers hold all records before it.
    away : float
        Seconds until it is started again; longer where work goes on only later.
    """

    kind: str
    node: int
    after: float
    away: float = 0.0

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.after + self.away + 2 * BETWEEN_S

    def __str__(self) -> str:
        away = f", away {self.away:.1f} s" if self.away else ""
        return f"broker {self.node}: {self.kind} after {self.after:.1f} s{away}"


@dataclass(frozen=True)
class NetFault:
    """What the proxy does for a while to connections with Kafka (see proxy.py).

    Attributes
    ----------
    on : str
        ``fold`` or ``admit``: one worker of that role that is there then; ``all``: everybody.
    """

    kind: str
    on: str
    after: float
    lasts: float

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.after + self.lasts

    def __str__(self) -> str:
        return f"kafka {self.kind} on {self.on} after {self.after:.1f} s for {self.lasts:.1f} s"


@dataclass(frozen=True)
class BucketFault:
    """What the S3 server does for a while (see bucket_proxy.py), or what becomes of objects.

    Attributes
    ----------
    kind : str
        One of bucket_proxy.KINDS, or of bucket.ROT: objects that are there are flipped, cut off or
        deleted.
    share : float
        Of the requests that it befalls, or of the objects.
    """

    kind: str
    after: float
    lasts: float
    share: float

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.after + self.lasts

    def __str__(self) -> str:
        what = f"s3 {self.kind} for {self.share:.0%} after {self.after:.1f} s"
        return what + (f" for {self.lasts:.1f} s" if self.lasts else "")
