"""All types of inputs that are served, and their data."""

from collections.abc import Mapping

from streams.core import events
from streams.core.events import Data
from streams.core.state_events import STATE_TYPES

INPUT_TYPES: Mapping[str, type[Data]] = {**events.INPUT_TYPES, **STATE_TYPES}
"""ce_type of each input to its data."""
