"""An agent's working memory: its memories in order of worth, the least of them first to leave.

Worth is (priority, fading use, id). One row for each memory holds it as a key; one row an agent
says how many there are and which is the least, so that a look for the next one never walks over the
keys of all that left before.
"""

from streams.core.fold import View
from streams.memory.rows import AgentRow, WorkingRow, working_prefix

AT_ONCE = 20
"""So many leave with one record; after a lowered limit the rest leave with ticks."""


def enter(view: View, agent: bytes, worth: bytes, limit: int) -> list[bytes]:
    """Add a memory, and take out what is too much.

    Parameters
    ----------
    agent : bytes
        `rows.agent_key`.
    worth : bytes
        `rows.worth` of the memory.
    limit : int
        How many the working memory may have.

    Returns
    -------
    list of bytes
        Worth of each memory that left, the least first; the new one may be among them.
    """
    row = view.get(AgentRow, agent)
    if row is None:
        row = AgentRow(0, worth)
    elif row.count == limit and worth < row.least:
        return [worth]
    view.put(working_prefix(agent) + worth, WorkingRow())
    view.put(agent, AgentRow(row.count + 1, min(worth, row.least)))
    return shrink(view, agent, limit, AT_ONCE)


def shrink(view: View, agent: bytes, limit: int, at_once: int) -> list[bytes]:
    """Take out the least until there are as many as the limit says; return each one's worth."""
    row = view.get(AgentRow, agent)
    if row is None or row.count <= limit:
        return []
    prefix = working_prefix(agent)
    leaving: list[bytes] = []
    least = row.least
    for key, _ in view.scan(WorkingRow, prefix, start=prefix + row.least):
        least = key[len(prefix) :]
        if len(leaving) == min(row.count - limit, at_once):
            break
        leaving.append(least)
    for worth in leaving:
        view.delete(prefix + worth)
    view.put(agent, AgentRow(row.count - len(leaving), least))
    return leaving


def leave(view: View, agent: bytes, worth: bytes) -> None:
    """Take out one memory that is there."""
    row = view.get(AgentRow, agent)
    assert row is not None
    view.delete(working_prefix(agent) + worth)
    if row.count == 1:
        view.delete(agent)
    else:
        least = _first(view, agent, worth) if worth == row.least else row.least
        view.put(agent, AgentRow(row.count - 1, least))


def revalue(view: View, agent: bytes, before: bytes, now: bytes) -> None:
    """Give a memory that is there another worth."""
    row = view.get(AgentRow, agent)
    assert row is not None
    prefix = working_prefix(agent)
    view.delete(prefix + before)
    view.put(prefix + now, WorkingRow())
    if before == row.least or now < row.least:
        view.put(agent, AgentRow(row.count, _first(view, agent, min(before, now))))


def _first(view: View, agent: bytes, worth: bytes) -> bytes:
    """The least that is worth so much or more."""
    prefix = working_prefix(agent)
    key, _ = next(view.scan(WorkingRow, prefix, start=prefix + worth))
    return key[len(prefix) :]
