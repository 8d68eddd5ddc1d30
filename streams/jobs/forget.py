"""What runs say of themselves goes with an erasure: messages and tags. That they ran stays."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from msgspec import structs

from streams.core.fold import Reader, View
from streams.core.rows import decode_row, tenant_key
from streams.jobs.rows import RunRow, Stamped

LOOKED_AT = 100
"""Runs that one step looks at."""
_TEXTS: dict[str, str | tuple[str, ...]] = {"context_tags": (), "message": ""}
"""Fields that are texts, and what is left of them."""

Judge = Callable[[Sequence[str]], bool | None]
"""Whether texts go; None: they would, but are on hold."""


def forget_texts(
    view: View, tenant: str, judge: Judge, until: int, start: bytes
) -> tuple[bytes | None, int, int]:
    """Erase texts of runs, of event times up to a moment.

    Returns
    -------
    next, erased, held
        Where to go on, None at the end; of how many runs texts were erased, or are on hold.
    """
    prefix = tenant_key(RunRow, tenant)
    rows = list(islice(view.scan(RunRow, prefix, start=start or prefix), LOOKED_AT + 1))
    erased = held = 0
    for key, row in rows[:LOOKED_AT]:
        fields = dict(row.fields)
        verdicts = []
        for name, nothing in _TEXTS.items():
            said = fields.get(name)
            if said is None or said[0] > until or not said[1]:
                continue
            verdict = judge(_texts(said))
            verdicts.append(verdict)
            if verdict:
                # As if said later: a late copy does not bring it back.
                fields[name] = (until + 1, nothing)
        erased += True in verdicts
        held += None in verdicts
        if True in verdicts:
            view.put(key, structs.replace(row, fields=fields))
    return (rows[LOOKED_AT][0] if len(rows) > LOOKED_AT else None), erased, held


def gone_texts(rows: Reader, key: bytes, value: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield texts of a run's row, as it was at any time, that it has no more, with their times."""
    then = decode_row(RunRow, value).fields
    texts = {name: then[name] for name in _TEXTS if name in then and then[name][1]}
    now = rows.get(RunRow, key) if texts else None
    for name, said in texts.items():
        if now is None or said != now.fields.get(name):
            yield said[0], _texts(said)


def _texts(said: Stamped) -> Sequence[str]:
    return (said[1],) if isinstance(said[1], str) else said[1]
