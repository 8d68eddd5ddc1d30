"""What must hold of quotas and leases at the end of a fault run."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from streams import topology
from streams.control.rows import AllocationRow, ControlRow, HolderRow, holder_key
from streams.core import log
from streams.core.ids import partition_of
from streams.core.rows import decode_row, tenant_key
from streams.memory.rows import LEASE_KEY, LeaseRow, QuotaRow
from streams.settings import Settings
from tests.faults.checks import records
from tests.faults.model import Model
from tests.faults.wrong import Wrong

Rows = Mapping[bytes, bytes]


async def check_quotas(settings: Settings, model: Model) -> list[Wrong]:
    """Each quota.set was decided once, as a naive reader of control's log would, and told once."""
    wrong: list[Wrong] = []
    room = settings.total_memory_mb - settings.total_memory_mb // 10
    granted: dict[str, int] = {}
    expected: dict[tuple[str, str], str] = {}
    name = topology.name(settings, topology.TENANT_CONTROL)
    async for _, record in records(settings, name, partitions=1):
        fact = log.decode(record.value)
        if not isinstance(fact.body, log.QuotaSet) or (fact.tenant, fact.id) in expected:
            continue
        wanted = fact.body.quota_mb
        others = sum(granted.values()) - granted.get(fact.tenant, 0)
        fits = others + wanted <= room or wanted <= granted.get(fact.tenant, 0)
        if fits:
            granted[fact.tenant] = wanted
        expected[fact.tenant, fact.id] = "quota.granted" if fits else "quota.rejected"
    if expected.keys() != set(model.quotas):
        wrong.append(Wrong(f"control heard of {len(expected)} of {len(model.quotas)} commands"))
    told: Counter[tuple[str, str]] = Counter()
    last: dict[str, int] = {}
    async for _, record in records(settings, topology.name(settings, topology.TENANT_AUDIT)):
        data = msgspec.json.decode(record.value)
        if data["action"].startswith("quota."):
            told[data["tenant"], data["action"]] += 1
            if data["action"] == "quota.granted":
                last[data["tenant"]] = data["details"]["quota_mb"]
    wanted_told = Counter((tenant, action) for (tenant, _), action in expected.items())
    if told != wanted_told:
        more, less = told - wanted_told, wanted_told - told
        what = f"answers to quota.set: too many {more}, missing {less}"
        wrong.append(Wrong(what, less.total(), more.total()))
    if last != granted:
        wrong.append(Wrong(f"quotas are {last}, must be {granted}"))
    return wrong


def check_leases(settings: Settings, control: Rows, partitions: Mapping[int, Rows]) -> list[Wrong]:
    """Quotas are the same on both sides; nothing that is leased was lost or counted twice.

    What control gave last may not be read yet where a worker was stopped: so control may count
    more than a partition has, never less.
    """
    wrong: list[Wrong] = []
    row = decode_row(ControlRow, control[ControlRow.kind])
    quotas = {
        key[len(AllocationRow.kind) :].decode(): decode_row(AllocationRow, value).quota_mb
        for key, value in control.items()
        if key.startswith(AllocationRow.kind)
    }
    if row.allocated_mb != sum(quotas.values()) or row.allocated_mb > row.allocatable_mb:
        wrong.append(Wrong(f"{row.allocated_mb} MB are allocated, quotas come to {quotas}"))
    for tenant, quota_mb in quotas.items():
        here = partitions[partition_of(tenant, settings.partitions)]
        value = here.get(tenant_key(QuotaRow, tenant))
        found = None if value is None else decode_row(QuotaRow, value).quota_mb
        if found != quota_mb:
            wrong.append(Wrong(f"{tenant} has {found} MB, control gave {quota_mb}"))
    holders = {
        partition: decode_row(HolderRow, control[holder_key(partition)]) for partition in partitions
    }
    for partition, rows in partitions.items():
        lease, holder = decode_row(LeaseRow, rows[LEASE_KEY]), holders[partition]
        if lease.epoch != holder.epoch:
            wrong.append(Wrong(f"partition {partition} began at {lease.epoch}: {holder}"))
        elif lease.pool > holder.pool or lease.reserve > holder.reserve:
            wrong.append(Wrong(f"partition {partition} holds {lease}, control counts {holder}"))
    for name, total in (("pool", row.pool_leased), ("reserve", row.reserve_leased)):
        if total != sum(getattr(holder, name) for holder in holders.values()):
            wrong.append(Wrong(f"control counts {total} of the {name} leased: {holders}"))
    if row.reserve_leased > row.reserve:
        wrong.append(Wrong(f"{row.reserve_leased} of a reserve of {row.reserve} are leased"))
    return wrong
