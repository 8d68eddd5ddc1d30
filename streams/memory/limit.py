"""Folds of the setting that bounds working memory, and of the ticks that apply a lowered one."""

from itertools import islice

from msgspec import structs

from streams.core.fold import Effect, Entry, View
from streams.core.log import Config, Tick
from streams.memory.memories import Memories
from streams.memory.rows import CONFIG_KEY, NO_CONFIG, AgentRow, MemoryConfigRow, tenant_of
from streams.memory.working import AT_ONCE, shrink

LOOKED_AT = 200
"""Agents that a tick looks at for what is too much."""


def fold_config(view: View, entry: Entry, body: Config) -> list[Effect]:
    """Keep the settings that change results; ticks apply a lowered limit."""
    before = view.get(MemoryConfigRow, CONFIG_KEY) or NO_CONFIG
    limit = body.working_limit
    at = AgentRow.kind if limit < before.working_limit else before.at
    row = MemoryConfigRow(
        limit,
        at,
        body.total_memory_mb,
        body.partitions,
        body.consolidate_window_hours,
        body.consolidate_every_seconds,
    )
    view.put(CONFIG_KEY, row)
    return []


def fold_tick(view: View, entry: Entry, body: Tick) -> list[Effect]:
    """Go on with applying a lowered limit, a bounded part with each tick."""
    outputs: list[Effect] = []
    config = view.get(MemoryConfigRow, CONFIG_KEY) or NO_CONFIG
    if config.at is None:
        return outputs
    agents = view.scan(AgentRow, AgentRow.kind, start=config.at)
    keys = [key for key, _ in islice(agents, LOOKED_AT + 1)]
    at = keys[LOOKED_AT] if len(keys) > LOOKED_AT else None
    left = AT_ONCE
    for key in keys[:LOOKED_AT]:
        leaving = shrink(view, key, config.working_limit, left)
        Memories(view, entry, outputs, tenant_of(key)).move_out(leaving)
        left -= len(leaving)
        if left == 0:
            at = key
            break
    view.put(CONFIG_KEY, structs.replace(config, at=at))
    return outputs
