"""Versions of the state: what rows are written as, which the log decides and never the process.

A row's version byte is the number of the schema that brought its shape (1 for 1.0.0). A row is
written in the newest shape that the state's own schema has; that schema stands in the log's config
records, and only `streams migrate --finalize` raises it.
"""

from collections.abc import Sequence

from streams.core.errors import PartitionRed

SCHEMAS = ("1.0.0", "1.1.0", "2.0.0", "2.1.0")
"""All there were, in order. This code reads every one of them."""
NEWEST = SCHEMAS[-1]
UNSAID = "2.1.0"
"""Of a state whose log has not said: the newest one when config records began to say it."""


def number_of(schema: str, known: Sequence[str] = SCHEMAS) -> int:
    """Give a schema's number, from 1.

    Raises
    ------
    PartitionRed
        It is newer than this code.

    Examples
    --------
    >>> number_of("1.0.0"), number_of("2.1.0")
    (1, 4)
    """
    if schema not in known:
        raise PartitionRed(
            f"the state is of schema {schema}, and this version knows no newer one than "
            f"{known[-1]}: start a newer version of agent-streams here"
        )
    return known.index(schema) + 1


def later(one: str, other: str, known: Sequence[str] = SCHEMAS) -> str:
    """Give the newer of two schemas.

    Raises
    ------
    PartitionRed
        One is newer than this code.
    """
    return max(one, other, key=lambda schema: number_of(schema, known))
