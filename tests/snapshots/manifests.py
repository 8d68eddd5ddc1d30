"""Manifests to test with."""

from typing import Any

from streams.snapshots.manifest import File, Manifest
from streams.snapshots.names import Place

PLACE = Place("streams", "tenant.log.v1", 3)


def file(sha256: str, name: str = "000009.sst", size: int = 1) -> File:
    return File(name, sha256, size)


def manifest(**fields: Any) -> Manifest:
    given: dict[str, Any] = {
        "group": PLACE.group,
        "topic": PLACE.topic,
        "partition": PLACE.partition,
        "incarnation": 0,
        "changelog_offset": 100,
        "changelog_time": 5_000,
        "source_incarnation": 0,
        "source_offset": 80,
        "log_time": 4_000,
        "schema_version": "2.1.0",
        "fold_version": 3,
        "rows": 7,
        "digest": "d1",
        "code_version": "0.1.0",
        "created_at": 6_000,
        "files": (),
    }
    return Manifest(**(given | fields))
