"""What memory.consolidated.v1 says: what was merged, and what was split."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from streams.core.fold import Output
from streams.core.ids import derived_id
from streams.core.time import format_time
from streams.memory.consolidation_rows import ConsolidatedRow
from streams.memory.grouping import template_text, values_of

if TYPE_CHECKING:
    from streams.memory.memories import Memories

CONSOLIDATED = "memory.consolidated.v1"
_json = msgspec.json.Encoder().encode


class MemoryConsolidated(msgspec.Struct, frozen=True, kw_only=True):
    """A consolidated memory as it is from now on: one that is new, or that has other members."""

    memory_id: str
    members: Annotated[list[str], Meta(description="By event time, then by when they came.")]
    content: Annotated[str, Meta(description="What happened, how often, when, and to what.")]
    template: Annotated[str, Meta(description="What all members say; * stands for a value.")]
    values: Annotated[list[tuple[str, ...]], Meta(description="Of each member, in order.")]
    rule: Literal["identical", "template"]
    bytes_before: Annotated[int, Meta(ge=0, description="What the members counted for.")]
    bytes_after: Annotated[
        int, Meta(ge=0, description="Of the consolidated memory, the members' values and vectors.")
    ]
    first: str
    last: str
    count: Annotated[int, Meta(ge=2)]


class MemorySplit(msgspec.Struct, frozen=True, kw_only=True):
    """A consolidated memory is no more; its members are memories of their own again."""

    memory_id: str
    members: list[str]


def tell(memories: "Memories", memory_id: str, made: ConsolidatedRow) -> None:
    """Say what a consolidated memory is now."""
    row = memories.get(memory_id)
    assert row is not None
    members = made.members
    data = MemoryConsolidated(
        memory_id=memory_id,
        members=[member[-1] for member in members],
        content=row.text,
        template=template_text(made),
        values=values_of(made),
        rule=made.rule,  # type: ignore[arg-type]
        bytes_before=made.bytes_before,
        bytes_after=row.size + made.held,
        first=format_time(members[0][0]),
        last=format_time(members[-1][0]),
        count=len(members),
    )
    _send(memories, "memory.consolidated", memory_id, data)


def tell_split(memories: "Memories", memory_id: str, members: Sequence[str]) -> None:
    """Say that members stand for themselves again."""
    data = MemorySplit(memory_id=memory_id, members=list(members))
    _send(memories, "memory.split", memory_id, data)


def _send(memories: "Memories", kind: str, memory_id: str, data: msgspec.Struct) -> None:
    entry, outputs = memories.entry, memories.outputs
    place = (entry.partition, entry.offset, entry.timestamp, len(outputs))
    name = derived_id(CONSOLIDATED, *map(str, place))
    outputs.append(Output(CONSOLIDATED, memories.tenant, kind, name, memory_id, _json(data)))
