"""Partitions fold without control: nothing waits, and an even share is enough for a while."""

from streams.core.fold import DeadLetter, Output
from streams.core.log import Content, Message
from streams.memory.rows import BytesRow

from .shop import MIB, Shop

CONTENT = Content("x" * 40_000, 2, (), None, None, None, (), None, None, None)


def test_control_that_never_answers_holds_nobody_up() -> None:
    """30 MB are an even share of 100: beyond it the least valuable make room."""
    shop = Shop(partitions=3, total_mb=100)
    reader, effects = shop.partitions[0], []
    for number in range(900):
        shop.now += 1_000
        reader.append(Message("a", "", "", "", None, CONTENT), "t1", f"e{number}")
        effects += reader.read()
    assert not [effect for effect in effects if isinstance(effect, DeadLetter)]
    pruned = [e for e in effects if isinstance(e, Output) and e.type == "memory.pruned"]
    stored = sum(row.used for _, row in reader.view.scan(BytesRow, BytesRow.kind))
    assert stored <= 30 * MIB < stored + 50_000
    assert len(pruned) == 900 - stored // 40_490
    lease = shop.leases()[0]
    assert lease is not None
    assert lease.pool == 30 * MIB
    assert lease.pool_used == stored


def test_what_control_gives_later_is_used() -> None:
    shop = Shop(partitions=3, total_mb=100)
    shop.quiet()
    reader, effects = shop.partitions[0], []
    for number in range(1_400):
        shop.now += 1_000
        reader.append(Message("a", "", "", "", None, CONTENT), "t1", f"e{number}")
        effects += reader.read()
        if number % 20 == 19:
            shop.control.read()
            for other in shop.partitions:
                other.read()
            shop.control.read()
    stored = sum(row.used for _, row in reader.view.scan(BytesRow, BytesRow.kind))
    assert stored > 45 * MIB
    assert not [effect for effect in effects if isinstance(effect, DeadLetter)]
