"""Whether texts name a subject: as a word of its own, `customer-17` and not `customer-170`."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any


def names(texts: Iterable[str], subject: str) -> bool:
    """Whether any of the texts names the subject.

    Examples
    --------
    >>> names(["orders of customer-17."], "customer-17"), names(["customer-170"], "customer-17")
    (True, False)
    """
    # Most texts do not hold it at all, which is seen much quicker.
    return any(subject in text and _pattern(subject).search(text) is not None for text in texts)


@lru_cache(maxsize=256)
def _pattern(subject: str) -> "re.Pattern[str]":
    # Neither a letter nor a digit on either side.
    return re.compile(rf"(?<![^\W_]){re.escape(subject)}(?![^\W_])")


def strings(value: Any) -> Iterator[str]:
    """Yield all strings in a JSON value, names of members too; without recursion."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list):
            left.extend(one)
        elif isinstance(one, dict):
            left.extend(one)
            left.extend(one.values())
