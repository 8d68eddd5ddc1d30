"""DESIGN.md section 2, rule 2: one store that never gets ready, beside three that do."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from streams.core.ids import partition_of
from streams.settings import Settings

from .system import System, running
from .test_duplicates import lines

pytestmark = pytest.mark.deep

PARTITIONS = 4
STUCK = 2


async def test_three_fold_on_and_sigterm_stops_all_in_time(
    settings: Settings, producer: AIOKafkaProducer, until: Callable[..., Awaitable[None]]
) -> None:
    tenants = {partition_of(f"t{n}", PARTITIONS): f"t{n}" for n in range(40)}
    four = msgspec.structs.replace(settings, partitions=PARTITIONS)
    async with running(four, producer, folds=0) as system:
        fold = system.worker("fold", "w0")
        fold.program = (str(Path(__file__).with_name("hanging_worker.py")),)
        await fold.start()

        async def three() -> bool:
            status, said = await system.readyz(fold)
            return status == 503 and f"partition {STUCK} is opening" in said and ";" not in said

        await until(three, 40)
        ids = [str(n) for n in range(200)]
        sent = b"\n".join(lines(tenant, ids) for tenant in tenants.values())
        await system.done("send", "-", stdin=sent)

        async def counted() -> bool:
            return all([await _calls(system, t) == 200 for p, t in tenants.items() if p != STUCK])

        await until(counted, 40)
        answer = await system.http.get(system.tenant(tenants[STUCK], "usage"))
        assert answer.status_code == 503
        # Within the 15 s of the contract, or this raises.
        assert await fold.stop() == 0, fold.tail()
        fold.program = ("-m", "streams")
        await fold.start()
        await system.ready()

        async def there() -> bool:
            return await _calls(system, tenants[STUCK]) == 200

        await until(there, 40)


async def _calls(system: System, tenant: str) -> int:
    return int((await system.get(tenant, "usage"))["total"]["calls"])
