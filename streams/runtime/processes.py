"""Small facts about processes on one machine: free ports, folder locks, dying with the parent."""

import ctypes
import fcntl
import ipaddress
import os
import random
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

from streams.core.errors import Misuse

_PR_SET_PDEATHSIG = 1
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on, below the range the kernel gives to outgoing connections.

    A port of that range could be taken by any client between two starts of a server: by a client
    that retries to connect to it on the same machine, even by connecting to itself.
    """
    try:
        highest = int(_EPHEMERAL.read_text().split()[0]) - 1
    except (OSError, ValueError, IndexError):
        highest = 32767
    for _ in range(200):
        port = random.randint(min(15000, highest - 1000), highest)
        if is_free(port, host):
            return port
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on that port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def loopback_address(bind: str) -> tuple[str, int]:
    """Host and port of ``ADDRESS:PORT``, loopback only: the API has no tokens yet.

    Raises
    ------
    Misuse
        Not such a text, or an address that other machines could reach.

    Examples
    --------
    >>> loopback_address("127.0.0.1:8600")
    ('127.0.0.1', 8600)
    """
    host, _, port = bind.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or re.fullmatch("[0-9]{1,5}", port) is None or int(port) > 65535:
        raise Misuse(f"STREAMS_BIND must be ADDRESS:PORT, not {bind!r}")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise Misuse(f"STREAMS_BIND must be ADDRESS:PORT, not {bind!r}") from None
    if not loopback:
        raise Misuse(f"the API has no tokens yet, so it listens on loopback only, not on {host}")
    return host, int(port)


def lock(path: Path) -> int | None:
    """Lock a file for as long as the returned descriptor is open; None when another holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def write_whole(path: Path, text: str) -> None:
    """Replace a file's content in one step: a reader sees the old text or the new, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.replace(path)


def let_go(stream: IO[str] | None) -> None:
    """Drop what a stream could not write, if it still can't: it may be a file on a full disk.

    Python writes what is left at its end, and ends with a code of its own where that fails. None:
    the stream is closed.
    """
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def die_with_parent(signum: int = signal.SIGKILL) -> Callable[[], None]:
    """Make a ``preexec_fn`` that lets a child end when its parent ends, kill -9 included.

    Linux only (elsewhere it does nothing). The kernel watches the *thread* that forks: start
    children from a thread that lives as long as the process, so the main one.
    """
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)

    return in_child
