"""Which texts may become one memory: those with the same template, and nothing else.

A text's template is a function of the text alone. So it matters neither in which order texts come
nor in how many calls, asking again changes nothing, and only texts of one bucket are ever together.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from streams.templates.masks import cut
from streams.templates.template import Template

Rule = Literal["identical", "template"]


class Group(Struct, frozen=True):
    """Texts that become one, with what tells them apart."""

    rule: Rule
    """Identical where all its texts are the same one; with texts that a known template has already
    that holds only if ``columns_of`` all of them says so (``rule_of``)."""
    members: tuple[int, ...]
    """Which of the texts, in their order."""
    known: int | None
    """Which of the known templates they belong to."""
    template: Template
    values: tuple[tuple[str, ...], ...]
    """A row for each member."""


def bucket(text: str) -> str:
    """Only texts of the same bucket are ever in one group."""
    return "\0".join(cut(text)[0])


def group(texts: Sequence[str], known: Sequence[Template] = ()) -> list[Group]:
    """Find texts of one template: two or more, or those of one that is known already.

    The groups are in the order of their first members. A text that is in none has nothing to be
    merged with.
    """
    places: dict[tuple[str, ...], int] = {}
    for place, template in enumerate(known):
        places.setdefault(template.pieces, place)
    alike: dict[tuple[str, ...], list[tuple[int, tuple[str, ...]]]] = {}
    for number, text in enumerate(texts):
        pieces, values = cut(text)
        alike.setdefault(pieces, []).append((number, values))
    return [
        Group(
            rule=rule_of([values for _, values in rows]),
            members=tuple(number for number, _ in rows),
            known=places.get(pieces),
            template=Template(pieces),
            values=tuple(values for _, values in rows),
        )
        for pieces, rows in alike.items()
        if len(rows) > 1 or pieces in places
    ]


def rule_of(rows: Sequence[Sequence[str]]) -> Rule:
    """Return what texts of one template are, by their values."""
    first = rows[0]
    return "identical" if all(row == first for row in rows) else "template"
