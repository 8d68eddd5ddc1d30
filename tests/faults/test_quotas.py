"""The check of quotas and leases finds what it is there for."""

from typing import Any

import pytest
from msgspec import structs

from streams.control.rows import (
    CONTROL_KEY,
    AllocationRow,
    ControlRow,
    HolderRow,
    allocation_key,
    holder_key,
)
from streams.core.ids import partition_of
from streams.core.rows import Row, encode_row, tenant_key
from streams.memory.rows import LEASE_KEY, LeaseRow, QuotaRow
from streams.settings import Settings

from .quotas import check_leases

SETTINGS = Settings(partitions=2)
MIB = 1 << 20
CONTROL = ControlRow(0, 100, 2, 24, complete=True, allocated_mb=30, pool_leased=50 * MIB)
HOLDERS = [HolderRow(0, 30 * MIB, 0), HolderRow(5, 20 * MIB, 0)]
LEASES = [LeaseRow(0, 30 * MIB), LeaseRow(5, 19 * MIB)]


def encoded(rows: dict[bytes, Row]) -> dict[bytes, bytes]:
    return {key: encode_row(row) for key, row in rows.items()}


def wrong(**changes: Any) -> list[str]:
    """What the check says of a state that is right but for these changes."""
    control: dict[bytes, Row] = {
        CONTROL_KEY: changes.get("control", CONTROL),
        allocation_key("t1"): AllocationRow(30, "standard"),
    }
    partitions: dict[int, dict[bytes, Row]] = {}
    for p in range(2):
        control[holder_key(p)] = changes.get("holders", HOLDERS)[p]
        partitions[p] = {LEASE_KEY: changes.get("leases", LEASES)[p]}
    quota = QuotaRow(changes.get("quota_mb", 30))
    partitions[partition_of("t1", 2)][tenant_key(QuotaRow, "t1")] = quota
    found = check_leases(
        SETTINGS, encoded(control), {p: encoded(rows) for p, rows in partitions.items()}
    )
    return [str(each) for each in found]


def test_what_is_right_is_right() -> None:
    assert wrong() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quota_mb": 31}, "t1 has 31 MB, control gave 30"),
        ({"control": structs.replace(CONTROL, allocated_mb=29)}, "29 MB are allocated"),
        ({"control": structs.replace(CONTROL, total_mb=30)}, "30 MB are allocated"),
        ({"control": structs.replace(CONTROL, pool_leased=1)}, "control counts 1 of the pool"),
        ({"control": structs.replace(CONTROL, reserve_leased=11 * MIB)}, "of a reserve of"),
        ({"leases": [LeaseRow(0, 30 * MIB + 1), LEASES[1]]}, "partition 0 holds"),
        ({"leases": [LEASES[0], LeaseRow(5, 0, reserve=1)]}, "partition 1 holds"),
        ({"leases": [LEASES[0], LeaseRow(6, 19 * MIB)]}, "partition 1 began at 6"),
    ],
)
def test_what_is_wrong_is_found(changes: dict[str, Any], said: str) -> None:
    assert any(said in each for each in wrong(**changes))
