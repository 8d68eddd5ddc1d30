"""All types of inputs that are served, and their data. OpenLineage has none: it comes as it is."""

from collections.abc import Mapping

from streams.core import events
from streams.core.events import Data
from streams.core.forget_events import FORGET_TYPES
from streams.core.job_events import JobRun
from streams.core.memory_events import MEMORY_TYPES
from streams.core.meter_events import METER_TYPES
from streams.core.reservation_events import RESERVATION_TYPES
from streams.core.state_events import STATE_TYPES

COMMAND_TYPES: Mapping[str, type[Data]] = {
    **events.TENANT_TYPES,
    **RESERVATION_TYPES,
    **STATE_TYPES,
    **METER_TYPES,
    **FORGET_TYPES,
    **MEMORY_TYPES,
}
"""ce_type of each command to its data."""
INPUT_TYPES: Mapping[str, type[Data]] = {
    "agent.message": events.AgentMessage,
    **COMMAND_TYPES,
    "job.run": JobRun,
}
"""ce_type of each input to its data."""
