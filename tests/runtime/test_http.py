"""The API listens on loopback only, and says in one line why it can't."""

import socket

import pytest

from streams.core.errors import Misuse
from streams.runtime.http import listen, url_of


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "localhost:0", "127.8.8.8:0"])
def test_loopback_is_fine(bind: str) -> None:
    listening = listen(bind)
    try:
        url = url_of(listening)
        assert url.startswith("http://127.")
        host, port = url.removeprefix("http://").split(":")
        socket.create_connection((host, int(port)), timeout=5).close()
    finally:
        listening.close()


@pytest.mark.parametrize(
    "bind",
    ["0.0.0.0:0", "192.0.2.1:80", "[::]:80", ":80", "example.org:80", "127.0.0.1", "127.0.0.1:x",
     "127.0.0.1:70000", "127.0.0.1:-1", "", "[::ffff:192.0.2.1]:80"],
)  # fmt: skip
def test_anything_else_is_a_mistake(bind: str) -> None:
    with pytest.raises(Misuse) as refused:
        listen(bind)
    assert "\n" not in str(refused.value)


def test_a_taken_port() -> None:
    first = listen("127.0.0.1:0")
    try:
        with pytest.raises(Misuse, match="can't listen on"):
            listen(f"127.0.0.1:{first.getsockname()[1]}")
    finally:
        first.close()
