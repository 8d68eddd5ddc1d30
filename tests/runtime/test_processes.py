"""Facts about ports, locks and files of one machine."""

import os
import socket
from pathlib import Path

import pytest

from streams.core.errors import Misuse
from streams.runtime.processes import free_port, is_free, lock, loopback_address, write_whole


def test_a_free_port_is_free_and_none_of_the_kernels_own() -> None:
    port = free_port()
    assert is_free(port)
    lowest = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if lowest.exists():
        assert port < int(lowest.read_text().split()[0])
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
    assert is_free(port)


def test_a_lock_is_held_once_and_as_long_as_its_descriptor(tmp_path: Path) -> None:
    first = lock(tmp_path / "lock")
    assert first is not None
    assert lock(tmp_path / "lock") is None
    os.close(first)
    again = lock(tmp_path / "lock")
    assert again is not None
    os.close(again)


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, "one")
    with path.open() as reader:
        write_whole(path, "two")
        assert reader.read() == "one"
    assert path.read_text() == "two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("127.0.0.9:8600", ("127.0.0.9", 8600)),
        ("localhost:65535", ("localhost", 65535)),
        ("[::1]:8600", ("::1", 8600)),
    ],
)
def test_loopback_addresses(bind: str, address: tuple[str, int]) -> None:
    assert loopback_address(bind) == address


@pytest.mark.parametrize(
    ("bind", "complaint"),
    [
        ("0.0.0.0:8600", "loopback only, not on 0.0.0.0"),
        ("[::]:8600", "loopback only, not on ::"),
        ("192.168.0.1:80", "loopback only"),
        *((bind, "ADDRESS:PORT") for bind in ("", ":", ":80", "127.0.0.1", "127.0.0.1:", "here:1")),
        *((f"127.0.0.1:{port}", "ADDRESS:PORT") for port in ("65536", "-1", "x", "８", "1e3")),
    ],
)
def test_other_addresses_are_refused(bind: str, complaint: str) -> None:
    with pytest.raises(Misuse, match=complaint):
        loopback_address(bind)
