"""Makes the SQLite files and agent_state.json that versions before the log left.

``python tests/golden/old_store.py VERSION FOLDER`` writes both.
"""

import json
import sqlite3
import struct
import sys
from pathlib import Path
from typing import Any

VERSIONS = ("1.0.0", "1.1.0", "2.0.0", "2.1.0")
_TYPES = {
    "id": "TEXT PRIMARY KEY",
    "content": "TEXT NOT NULL",
    "timestamp": "TEXT",
    "priority": "INTEGER",
    "context_tags": "TEXT",
    "embedding": "BLOB",
    "access_count": "INTEGER",
    "last_accessed": "TEXT",
    "related_memories": "TEXT",
    "cost_attribution": "TEXT",
    "ttl_seconds": "INTEGER",
    "gdpr_deletion_date": "TEXT",
    "subject": "TEXT",
    "cluster_state": "TEXT",
    "pipeline_context": "TEXT",
}
_SINCE = {
    "cost_attribution": "1.1.0",
    "ttl_seconds": "2.0.0",
    "gdpr_deletion_date": "2.0.0",
    "subject": "2.0.0",
    "cluster_state": "2.1.0",
    "pipeline_context": "2.1.0",
}
ROWS: list[dict[str, Any]] = [
    {
        "id": "gate-1",
        "content": "The quality gate failed: é\n",
        "timestamp": "2026-01-02T03:04:05.678901",
        "priority": 4,
        "context_tags": '["argo_workflow", "x"]',
        "access_count": 7,
        "last_accessed": "2026-01-03T00:00:00+00:00",
        "related_memories": '["gate-2"]',
        "cost_attribution": "project-a",
        "gdpr_deletion_date": "2036-01-02T03:04:05.678901",
        "subject": "customer-17",
        "cluster_state": '{"cluster": "eu-1", "nodes": 3}',
        "pipeline_context": '["ingest", "train"]',
    },
    {
        "id": "gate-2",
        "content": "Retried twice, then it worked.",
        "timestamp": 1767323046.5,
        "context_tags": "s3_batch, x",
        "ttl_seconds": 315_360_000,
        "cluster_state": "eu-1",
        "pipeline_context": "ingest",
    },
]
STATE = {"loss": 1.5, "plan": ["a", {"b": None}], "step": 17}


def columns(version: str) -> list[str]:
    """Columns of a version's table, in order."""
    return [name for name in _TYPES if _SINCE.get(name, VERSIONS[0]) <= version]


def make(version: str, folder: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    """Write a version's files; returns the SQLite one."""
    path, names = folder / "memories.db", columns(version)
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as db:
        db.execute(f"CREATE TABLE memories ({', '.join(f'{n} {_TYPES[n]}' for n in names)})")
        vector = struct.pack("<384f", *(n / 384 for n in range(384)))
        marks = ", ".join("?" * len(names))
        for row in ROWS if rows is None else rows:
            values = [({"embedding": vector} | row).get(name) for name in names]
            db.execute(f"INSERT INTO memories VALUES ({marks})", values)
    db.close()
    state = {"schema_version": version, **STATE}
    (folder / "agent_state.json").write_text(json.dumps(state))
    return path


if __name__ == "__main__":
    print(make(sys.argv[1], Path(sys.argv[2])))
