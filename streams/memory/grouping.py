"""Which texts say the same: the seam between rows and the rules of streams/templates."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from streams.memory.consolidation_rows import ConsolidatedRow
from streams.templates import alike, columns
from streams.templates import line as lines
from streams.templates.template import Template, text_with

Values = tuple[str, ...]
"""Of one text, what stands in its template's places."""
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Template).decode
_PLACE = "*"


class Found(NamedTuple):
    """Texts that are of one template."""

    members: tuple[int, ...]
    """Places of the texts, in their order."""
    values: tuple[Values, ...]
    known: int | None
    """Place of what they extend."""
    template: bytes


def bucket(text: str) -> str:
    """Name what texts that can be merged have in common."""
    return alike.bucket(text)


def groups(texts: Sequence[str], known: Sequence[bytes]) -> list[Found]:
    """Find what can be merged, with each other or with what is of a known template."""
    return [
        Found(group.members, group.values, group.known, _pack(group.template))
        for group in alike.group(texts, [_unpack(template) for template in known])
    ]


def packed(values: Sequence[Values]) -> tuple[str, bytes]:
    """Rule by which texts with these values are one, and the values as a row keeps them."""
    return alike.rule_of(values), columns.pack(columns.columns_of(values))


def values_of(made: ConsolidatedRow) -> list[Values]:
    """Values of each member, in their order."""
    return columns.rows_of(columns.unpack(made.columns), len(made.members))


def texts_of(made: ConsolidatedRow) -> list[str]:
    """Text of each member, in their order."""
    template = _unpack(made.template)
    return [text_with(template, values) for values in values_of(made)]


def template_text(made: ConsolidatedRow) -> str:
    """The template as people read it."""
    return _PLACE.join(_unpack(made.template).pieces)


def line(made: ConsolidatedRow) -> str:
    """Say in one line what happened, how often, when, and to what."""
    first, last = made.members[0][0], made.members[-1][0]
    found = columns.unpack(made.columns)
    return lines.line(_unpack(made.template), found, len(made.members), first, last)
