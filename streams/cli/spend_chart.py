"""A small chart of what was spent: a bar for each period, the largest one is as wide as it gets."""

from collections.abc import Iterable

from rich.text import Text

from streams.core.money import read_usd

PERIODS = 31
"""The latest ones are shown."""
WIDTH = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"


def spend_chart(spent: Iterable[tuple[str, str]]) -> Text:
    """Draw what was spent.

    Parameters
    ----------
    spent : pairs of str
        Begin of a period and USD; those of one period are added up.
    """
    sums: dict[str, int] = {}
    for start, usd in spent:
        sums[start] = sums.get(start, 0) + read_usd(usd)
    latest = list(sums.items())[-PERIODS:]
    most = max((nano for _, nano in latest), default=0)
    text = Text()
    for start, nano in latest:
        text.append(f"{start.removesuffix(':00.000000Z').removesuffix('T00:00')}  ", "dim")
        text.append(bar(nano, most), "cyan")
        text.append("\n")
    return text


def bar(value: int, most: int) -> str:
    """Draw one bar, to the eighth of a character; what is above zero is always seen.

    Examples
    --------
    >>> bar(50, 100) == "█" * 20, bar(1, 10**9), bar(0, 5), bar(-3, 5)
    (True, '▏', '', '')
    """
    if value <= 0 or most <= 0:
        return ""
    eighths = max(value * WIDTH * 8 // most, 1)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
