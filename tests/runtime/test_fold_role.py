"""What a fold worker does beside its owners: ticks, and the lag that it shows."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from streams.core import log
from streams.core.log import Tick
from streams.runtime.fold_role import FoldRole
from streams.runtime.transport import Consumer
from streams.settings import Settings

Until = Callable[..., Awaitable[None]]


class Log:
    """A producer of which some sends fail."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.ticks = 0

    async def send_and_wait(self, topic: str, value: bytes, key: bytes, partition: int) -> None:
        if self.failures:
            raise self.failures.pop()
        assert isinstance(log.decode(value).body, Tick)
        self.ticks += 1

    async def stop(self) -> None:
        pass


@pytest.fixture
async def role(tmp_path: Path) -> FoldRole:
    """A role that seems to fold one partition."""
    settings = Settings(kafka="127.0.0.1:1", tick_seconds=0.001, data=str(tmp_path))
    nothing = cast(Any, None)
    role = FoldRole(settings, tmp_path, "", nothing, nothing, lambda why: None)
    await role._producer.stop()
    store = SimpleNamespace(offset=4)
    role.owners[0] = cast(
        Any, SimpleNamespace(state="running", store=store, partition=0, tp=TP("tenant.log.v1", 0))
    )
    return role


@pytest.mark.parametrize("error", [KafkaConnectionError(), RuntimeError("a bug")])
async def test_ticks_go_on_whatever_one_fails_with(
    role: FoldRole, error: Exception, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    produced = Log()
    produced.failures = [error, error]
    role._producer = cast(Any, produced)
    for shows in ("_show_lag", "_show_bytes"):
        monkeypatch.setattr(role, shows, lambda *running: None)
    ticking = asyncio.create_task(role._tick())
    try:
        await until(lambda: produced.ticks >= 3 or ticking.done())
        assert produced.ticks >= 3
    finally:
        ticking.cancel()


def test_a_partition_that_a_rebalance_takes_just_now_has_no_highwater() -> None:
    """aiokafka asserts that it is assigned; between two assignments it is not."""

    class Thread:
        def highwater(self, tp: TP) -> int:
            assert False, "Partition is not assigned"  # noqa: B011, PT015 - as aiokafka has it

    consumer = Consumer.__new__(Consumer)
    consumer._thread = Thread()
    assert consumer.highwater(TP("tenant.log.v1", 0)) is None
