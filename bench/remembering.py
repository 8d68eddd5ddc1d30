"""What one more memory costs the fold, by how many its tenant has: rows, vector, record, moves."""

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from rocksdict import WriteBatch

from streams.agents.fold import fold
from streams.core.fold import Entry
from streams.core.log import CORRECTABLE, Content, Message, Origin, Record, Vector
from streams.memory.document import Document
from streams.runtime.view import BufferedView, open_database, write

AT_ONCE = 1_000
"""Records of a chunk."""


def fold_cpu_us(documents: Iterable[Document], size: int) -> float:
    """CPU a memory of those that come after the first ``size``, microseconds.

    Folded as the store does it, changelog rows encoded and written to RocksDB; without Kafka.
    """
    with tempfile.TemporaryDirectory(prefix="streams-bench-") as folder:
        db = open_database(Path(folder) / "db")
        view = BufferedView(db)
        began, done = 0.0, 0
        for offset, document in enumerate(documents):
            if offset == size:
                _commit(view, db)
                began = time.process_time()
            at = document.timestamp
            fold(view, Entry(_record(document, offset), 0, offset, at, at))
            done += offset >= size
            if offset % AT_ONCE == 0:
                _commit(view, db)
        _commit(view, db)
        spent = time.process_time() - began
        db.close()
    return spent / done * 1e6


def _commit(view: BufferedView, db: object) -> None:
    batch = WriteBatch(raw_mode=True)
    write(batch, view.encoded())
    db.write(batch)  # type: ignore[attr-defined]
    view.committed()


def _record(document: Document, offset: int) -> Record:
    content = Content(
        text=document.content,
        priority=document.priority,
        context_tags=document.context_tags,
        ttl_seconds=None,
        cluster_state={"cluster": document.cluster},
        pipeline_context=document.pipelines,
        related_memories=(),
        subject=None,
        memory_id=document.id,
        metadata=None,
        given=CORRECTABLE,
        vector=Vector(document.model or "", 0.01, document.vector or b""),
    )
    said = Message(
        document.agent, document.session, document.cost_attribution, document.cluster, None, content
    )
    origin = Origin("agent.messages.v1", 0, 0, offset)
    return Record(1, "tenant", origin, "/bench", str(offset), document.timestamp, said)
