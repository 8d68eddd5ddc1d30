"""All kinds of rows by the two bytes that their keys begin with."""

from collections.abc import Mapping

from streams.agents import fold
from streams.control import rows as control
from streams.core.rows import BIG, Row, newest_form

KINDS: Mapping[bytes, type[Row]] = {kind.kind: kind for kind in (*fold.ROWS, *control.ROWS)}


def logical(key: bytes, value: bytes) -> bytes:
    """Give a row as equal states have it equal, whichever version wrote it.

    Raises
    ------
    PartitionRed
        It is newer than this code.
    """
    newest = _NEWEST.get(key[:2])
    if newest is None or value[0] in newest:
        return value
    return newest_form(KINDS[key[:2]], value)


_NEWEST = {prefix: (kind.version, kind.version | BIG) for prefix, kind in KINDS.items()}
"""First bytes of rows that need no look: nearly all are."""
