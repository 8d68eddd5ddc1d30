"""Agents' state goes with an erasure: keys and values that name the subject, or all of it."""

import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import msgspec

from streams.core.fold import Entry, Reader, View
from streams.core.rows import tenant_key
from streams.memory.forget_rows import SUBJECT, HoldRow, hash_of, hold_key
from streams.memory.naming import names, strings
from streams.memory.rows import StateRow, ValueRow, value_key
from streams.memory.state import remove_state

LOOKED_AT = 40
"""Keys that one step looks at: a value may have 64 KiB."""
_IN_PLACE = re.compile(r"\0erased(?:[0-9a-f]{32})?")
_json = msgspec.json.Decoder()

Judge = Callable[[Sequence[str]], bool | None]
"""Whether texts go; None: they would, but are on hold."""


def judge_of(rows: Reader, tenant: str, subject: str | None) -> Judge:
    """Say of texts whether they go: those that name the subject, and nobody who is on hold.

    Without a subject all of a tenant was erased.
    """
    taken_out = in_place(b"" if subject is None else hash_of(subject))
    prefix = hold_key(tenant, SUBJECT, "")
    on_hold = [key[len(prefix) :].decode() for key, _ in rows.scan(HoldRow, prefix)]

    def judge(texts: Sequence[str]) -> bool | None:
        if subject is not None and taken_out not in texts and not names(texts, subject):
            return False
        return None if any(names(texts, each) for each in on_hold) else True

    return judge


def in_place(subject_hash: bytes) -> str:
    """What the archive has in place of a text that an erasure took out.

    In a replay it goes when the text went, with the same erasure and no other.
    """
    return f"\0erased{subject_hash.hex()}"


def is_in_place(text: Any) -> bool:
    """Whether it stands for what an erasure took out."""
    return isinstance(text, str) and _IN_PLACE.fullmatch(text) is not None


def forget_state(
    view: View, entry: Entry, tenant: str, judge: Judge, at: int, start: bytes
) -> tuple[bytes | None, int, int]:
    """Erase keys of agents' state that were set up to a moment (of the log's appends).

    What only a value names keeps its version; what the key itself names leaves nothing.

    Returns
    -------
    next, erased, held
        Where to go on, None at the end; how many were erased, or are on hold.
    """
    prefix = tenant_key(StateRow, tenant)
    rows = list(islice(view.scan(StateRow, prefix, start=start or prefix), LOOKED_AT + 1))
    erased = held = 0
    for place, row in rows[:LOOKED_AT]:
        if row.updated_at > at:
            continue
        key = [name_of(place)]
        stored = None if row.deleted else view.get(ValueRow, value_key(place))
        value: Any = None if stored is None else _json.decode(stored.value)
        named, whole = judge(key), judge([*key, *strings(value)])
        if whole is None:
            held += 1
        elif whole and (named or not row.deleted):
            remove_state(view, entry, place, row, whole=bool(named))
            erased += not row.deleted
    return (rows[LOOKED_AT][0] if len(rows) > LOOKED_AT else None), erased, held


def name_of(place: bytes) -> str:
    """What an agent calls a key of its state, by the key of its row or of its value."""
    rest = place[place.index(0) + 1 :]
    # After the agent's packed name: a short one has its length in its first byte, others after it.
    head = 1 if rest[0] < 0xD9 else 1 + (1 << rest[0] - 0xD9)
    size = rest[0] & 0x1F if head == 1 else int.from_bytes(rest[1:head], "big")
    return rest[head + size :].decode()
