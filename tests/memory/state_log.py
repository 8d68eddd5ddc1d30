"""Commands of agents' state, appended to a log and folded at once."""

import json
from typing import Any

from usage.writer import Writer, data

from streams.core.fold import Output
from streams.core.log import StateDelete, StateSet, Tick
from streams.core.time import SECOND


class StateLog(Writer):
    """A log that sets and deletes state."""

    def set(
        self,
        value: Any,
        *,
        agent: str = "a1",
        key: str = "phase",
        if_version: int | None = None,
        ttl: int | None = None,
        **rest: Any,
    ) -> Output:
        """Append a state.set; its audit record."""
        text = json.dumps(value, separators=(",", ":")).encode()
        [record] = self.append(StateSet(agent, key, text, if_version, ttl), **rest)
        return record

    def unset(
        self, *, agent: str = "a1", key: str = "phase", if_version: int | None = None, **rest: Any
    ) -> Output:
        """Append a state.delete; its audit record."""
        [record] = self.append(StateDelete(agent, key, if_version), **rest)
        return record

    def wait(self, seconds: int, *, ticks: int = 1) -> None:
        """Let log time pass, and tick."""
        self.now += seconds * SECOND
        self.idle(ticks)

    def idle(self, ticks: int = 1) -> None:
        for _ in range(ticks):
            self.append(Tick(), tenant="")


def outcome(record: Output) -> tuple[str, str | None, int | None]:
    """Outcome, error and version of an audit record."""
    found = data(record)
    return found["outcome"], found["error"], found["details"].get("version")
