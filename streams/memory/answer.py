"""The answer to a question: ranked memories with their records, as JSON (CONTRACT.md section 5)."""

from typing import Any

import msgspec

from streams.core.fold import Rows
from streams.core.log import Vector
from streams.core.time import format_time
from streams.memory.fixed import ONE
from streams.memory.hidden import Hidden
from streams.memory.index import TenantIndex
from streams.memory.question import Question
from streams.memory.ranking import Filters, Found, search
from streams.memory.record import shown
from streams.memory.rows import MemoryRow, memory_key


class Answer(msgspec.Struct, frozen=True):
    """What is sent, and which memories are given out with it."""

    body: msgspec.Raw
    ids: tuple[str, ...]


def answer(
    index: TenantIndex,
    rows: Rows,
    tenant: str,
    question: Question,
    filters: Filters,
    *,
    now: int,
    vector: Vector | None = None,
) -> Answer:
    """Search, and write down what is found.

    Parameters
    ----------
    index, rows
        Of the same moment.
    filters
        The question's.
    now
        Log time, microseconds.
    vector
        The question's embedding; without one the ranking is by words and what memories carry, and
        no part of a score is called `dense`.
    """
    hidden = Hidden(rows, tenant, now)
    found = search(
        index,
        question.query,
        filters,
        question.limit,
        now,
        vector=None if vector is None else vector.data,
        model="" if vector is None else vector.model,
    )
    results = [
        {
            "memory": _record(hidden, rows, tenant, each.id),
            "score": each.score / ONE,
            "parts": _parts(each, vector is not None) if question.explain else None,
        }
        for each in found
    ]
    body: dict[str, Any] = {"results": results, "as_of": format_time(now)}
    return Answer(msgspec.Raw(msgspec.json.encode(body)), tuple(each.id for each in found))


def _record(hidden: Hidden, rows: Rows, tenant: str, memory_id: str) -> msgspec.Raw:
    row = rows.get(MemoryRow, memory_key(tenant, memory_id))
    assert row is not None
    seen = hidden.seen(memory_id, row)
    assert seen is not None, "what nobody sees is not in the index"
    return shown(tenant, memory_id, seen.row, seen.last)


def _parts(found: Found, embedded: bool) -> dict[str, float]:
    """Exact: a float holds each multiple of 1/65536 that a score can be."""
    return {name: part / ONE for name, part in found.parts.items() if embedded or name != "dense"}
