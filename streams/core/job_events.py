"""The public data of job.run: one event of a run of a data job."""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from streams.core.amount import Usd, is_absent, usd
from streams.core.events import Data, Name, ReservationId, Usage

MAX_RUN_ID = 200
MAX_LINEAGE_NAME = 4096
"""Characters of a dataset's or an OpenLineage job's namespace or name: these go into row keys."""
MAX_MESSAGE = 65_536

RunId = Annotated[str, Meta(min_length=1, max_length=MAX_RUN_ID)]
JobLabel = Annotated[Name, Meta(min_length=1)]
LineageName = Annotated[str, Meta(min_length=1, max_length=MAX_LINEAGE_NAME)]


class _LineageRun(msgspec.Struct, frozen=True):
    runId: msgspec.Raw = msgspec.Raw()  # noqa: N815 - OpenLineage's name


class _Run(msgspec.Struct, frozen=True):
    run_id: msgspec.Raw = msgspec.Raw()
    run: _LineageRun = _LineageRun()


_decode_run = msgspec.json.Decoder(_Run).decode


def run_key(value: bytes) -> bytes | None:
    """Kafka key of a job event, job.run or OpenLineage: its run, so that they keep their order.

    Examples
    --------
    >>> run_key(b'{"run_id": "r1"}'), run_key(b'{"run": {"runId": "r1"}}'), run_key(b"{}")
    (b'"r1"', b'"r1"', None)
    """
    try:
        found = _decode_run(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return bytes(found.run_id) or bytes(found.run.runId) or None


class JobName(msgspec.Struct, frozen=True, kw_only=True):
    """Which job; usage has it as namespace/name."""

    namespace: JobLabel
    name: JobLabel


class DatasetName(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that a run reads or writes."""

    namespace: LineageName
    name: LineageName


class JobRun(Data, frozen=True, kw_only=True):
    """Something that happened to a run of a data job."""

    job: JobName
    run_id: Annotated[RunId, Meta(description="Events with the same one are one run.")]
    state: Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]
    kind: Literal["batch", "stream", "training", "other"] | None = None
    cluster: Name | None = None
    node: Name | None = None
    inputs: list[DatasetName] | None = None
    outputs: list[DatasetName] | None = None
    parent_run_id: RunId | None = None
    message: Annotated[str, Meta(max_length=MAX_MESSAGE)] | None = None
    context_tags: Annotated[list[Name], Meta(max_length=1000)] | None = None
    usage: Usage | None = None
    cost_usd: Annotated[
        Usd, Meta(description="The reported cost; wins over a computed one. USD, 0 to 1e9.")
    ] = msgspec.field(default_factory=msgspec.Raw)
    cost_attribution: Name | None = None
    reservation_id: Annotated[
        ReservationId | None,
        Meta(description="The budget reservation that this call was made under: spent once."),
    ] = None

    def __post_init__(self) -> None:
        if (
            self.usage is not None
            and self.usage.input_tokens is None
            and self.usage.output_tokens is None
            and is_absent(self.cost_usd)
        ):
            raise ValueError("usage without any tokens and without cost_usd says nothing")

    def names(self) -> Iterator[str | None]:
        yield from (self.tenant, self.job.namespace, self.job.name)
        yield from (self.cluster, self.node, self.cost_attribution)
        yield from self.context_tags or ()
        if self.usage is not None:
            yield from (self.usage.provider, self.usage.model)

    def check(self) -> None:
        self.reported  # noqa: B018 - raises if it is no amount

    @property
    def reported(self) -> int | None:
        """``cost_usd`` in nano-USD."""
        return None if is_absent(self.cost_usd) else usd(self.cost_usd)
