"""What a fold worker folds: the tenant log, and the one partition where memory is shared out."""

from importlib.metadata import version
from typing import Literal

from msgspec import structs

from streams import topology
from streams.agents.fold import fold
from streams.control import folds as control
from streams.core import log as facts
from streams.core.log import Config
from streams.core.money import parse_usd
from streams.runtime.job import Job
from streams.runtime.row_kinds import KINDS
from streams.settings import Settings


def fold_job(settings: Settings) -> Job:
    """The job on tenant.log.v1: into state and outputs."""

    def full(topic: str) -> str:
        return topology.name(settings, topic)

    return Job(
        topic=full(topology.TENANT_LOG),
        changelog=full(topology.changelog(settings)),
        dedupe=full(topology.TENANT_DEDUPE),
        group=settings.group,
        decode=facts.decode,
        fold=fold,
        output=full,
        partitions=settings.partitions,
        kinds=KINDS,
    )


def control_job(settings: Settings) -> Job:
    """The job on tenant.control.v1: who has how much memory."""
    changelog = topology.changelog(settings, topology.TENANT_CONTROL)
    return structs.replace(
        fold_job(settings),
        topic=topology.name(settings, topology.TENANT_CONTROL),
        changelog=topology.name(settings, changelog),
        # It sees to duplicates itself: its commands are few, and an answer has to be found.
        dedupe=None,
        fold=control.fold,
        # Whoever waits for a decision looks at the group's offset.
        tell_offsets_every=0.0,
        owner_kind="control",
    )


def job_of(settings: Settings, log: Literal["tenant", "control"]) -> Job:
    """Of one of the two logs."""
    return fold_job(settings) if log == "tenant" else control_job(settings)


def config_of(settings: Settings) -> Config:
    """The config record that these settings ask for."""
    return Config(
        settings.dedupe_hours,
        settings.grace_hours,
        parse_usd(settings.default_budget_usd),
        version("tzdata"),
        settings.job_history_hours,
        settings.job_stale_seconds,
        settings.working_limit,
        settings.total_memory_mb,
        settings.partitions,
        consolidate_window_hours=settings.consolidate_window_hours,
        consolidate_every_seconds=settings.consolidate_every_seconds,
    )
