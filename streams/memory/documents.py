"""From a memory's rows to what the index takes of it."""

from typing import Any

import msgspec
from msgspec import structs

from streams.core.fold import Reader, Rows
from streams.core.rows import tenant_key
from streams.memory.archived import made_of
from streams.memory.consolidation_rows import ConsolidatedRow, LinksRow, MembersRow, links_key
from streams.memory.document import LONG_TERM, NO_TTL, WORKING, Document
from streams.memory.grouping import values_of
from streams.memory.members import members_of
from streams.memory.remade import Remade
from streams.memory.rows import MemoryRow, VectorRow, memory_key, vector_key

_object = msgspec.json.Decoder(dict[str, Any])
_json = msgspec.json.Encoder().encode
_EXACT = 1 << 53
"""Below it a float that is whole is the same number as the integer."""


Page = tuple[list[Document], bytes | None]


def page(reader: Reader, tenant: str, start: bytes, size: int) -> Page:
    """Return some of a tenant's memories, by id.

    Parameters
    ----------
    start : bytes
        Empty for the first page, then what the page before gave.
    size : int
        So many memories are looked at.

    Returns
    -------
    documents, next
        Those of them that can be found; where the next page starts, None at the end.
    """
    prefix = tenant_key(MemoryRow, tenant)
    found: list[Document] = []
    for seen, (key, row) in enumerate(reader.scan(MemoryRow, prefix, start=start or prefix)):
        if seen == size:
            return found, key
        memory_id = key[len(prefix) :].decode()
        if (made := _document(reader, tenant, memory_id, row)) is not None:
            found.append(made)
    return found, None


def document(rows: Rows, tenant: str, memory_id: str) -> Document | None:
    """Make one memory's document; None when there is none that can be found."""
    row = rows.get(MemoryRow, memory_key(tenant, memory_id))
    return None if row is None else _document(rows, tenant, memory_id, row)


def document_of(rows: Rows, tenant: str, memory_id: str, new: Remade) -> Document:
    """Make the document of what a consolidated memory is without some of its members."""
    links = rows.get(LinksRow, links_key(tenant, memory_id))
    if links is not None:
        links = structs.replace(links, given=new.row.related_memories)
    return _made(memory_id, new.row, new.made, new.members, new.vector, links)


def _document(rows: Rows, tenant: str, memory_id: str, row: MemoryRow) -> Document | None:
    if row.consolidated_into is not None:
        return None
    vector = made = members = None
    if row.embedding_model is not None:
        vector = rows.get(VectorRow, vector_key(tenant, memory_id))
    if row.consolidated:
        made = made_of(rows, tenant, memory_id)
        members = members_of(rows, tenant, memory_id, row)
    links = None
    if row.related_memories:
        links = rows.get(LinksRow, links_key(tenant, memory_id))
    return _made(memory_id, row, made, members, vector, links)


def _made(
    memory_id: str,
    row: MemoryRow,
    made: ConsolidatedRow | None,
    members: MembersRow | None,
    vector: VectorRow | None,
    links: LinksRow | None,
) -> Document:
    state = {} if row.cluster_state is None else _object.decode(row.cluster_state)
    metadata = {} if row.metadata is None else _object.decode(row.metadata)
    return Document(
        id=memory_id,
        content=row.text if made is None else _said(row.text, made),
        timestamp=row.timestamp,
        place=row.place,
        revision=row.revision,
        priority=row.priority,
        tier=WORKING if row.working else LONG_TERM,
        agent=row.agent or None,
        session=row.session or None,
        context_tags=row.context_tags,
        cluster=state.get("cluster") or None,
        pipelines=row.pipeline_context or (),
        cost_attribution=row.cost_attribution or None,
        subject=row.subject or None,
        metadata=tuple((key, metadata_text(metadata[key])) for key in sorted(metadata)),
        related=row.related_memories if links is None else links.given,
        linked=() if links is None else links.linked,
        uses=row.access_count,
        used_at=row.last_accessed or 0,
        model=None if vector is None else vector.model,
        vector=None if vector is None else vector.data,
        ttl=NO_TTL if row.ttl_seconds is None else row.ttl_seconds,
        members=members,
    )


def _said(text: str, made: ConsolidatedRow) -> str:
    """What a consolidated memory is found by: its members' values too, each once."""
    values = dict.fromkeys(value for each in values_of(made) for value in each)
    return " ".join([text, *values])


def metadata_text(value: Any) -> str:
    """Write a value of metadata as filters compare it.

    Examples
    --------
    >>> metadata_text("eu-1"), metadata_text(3.0), metadata_text(True)
    ('"eu-1"', '3', 'true')
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    return _json(value).decode()
