"""What two texts must share to be told the same thing in other words: values, names, which way.

How alike two texts sound does not tell: opposites and swapped roles sound nearly the same. So
whoever links paraphrases asks here first, and texts that are linked still keep their words.
"""

import re

from streams.templates.masks import cut
from streams.templates.states import forms

# Words that tell little of themselves, as "on" and "in", are left out: their opposites are enough.
_AXES = (
    ("begin boot launch spawn start", "destroy end halt kill stop terminate"),
    ("complete done finish ok pass succeed success successful", "abort crash error fail failure"),
    ("open", "close shut"),
    ("activate active enable", "deactivate disable inactive"),
    ("", "off"),
    ("up", "down"),
    (
        "above grow increase more over raise rise",
        "below decrease drop fall fewer less lower reduce under",
    ),
    ("add create insert", "delete erase remove"),
    ("accept allow approve grant permit", "deny forbid refuse reject"),
    ("attach connect mount", "detach disconnect unmount"),
    ("lock", "unlock"),
    ("join", "leave"),
    ("resume", "pause suspend"),
    ("enjoy like love prefer want", "avoid dislike hate"),
    ("true yes", "false"),
    ("valid", "invalid"),
    ("healthy", "unhealthy"),
    ("online", "offline"),
    ("available reachable", "unavailable unreachable"),
    ("gain win", "lose"),
    ("buy", "sell"),
    ("before", "after"),
    ("first", "last"),
    ("read", "write"),
    ("push", "pull"),
    ("send", "receive"),
    ("upload", "download"),
    ("", "out"),
    ("left", "right"),
    ("old", "new"),
    ("high", "low"),
    ("fast", "slow"),
    ("hot", "cold"),
    ("import", "export"),
    ("encrypt", "decrypt"),
    ("load", "unload"),
    ("present", "absent missing"),
    ("full", "empty"),
    ("safe", "unsafe"),
    ("lead", "follow"),
    ("upgrade", "downgrade"),
    ("promote", "demote"),
    ("assert", "deassert"),
    ("sync", "unsync"),
)
_IRREGULAR = {
    **dict.fromkeys(("began", "begun"), "begin"),
    **dict.fromkeys(("fell", "fallen"), "fall"),
    **dict.fromkeys(("grew", "grown"), "grow"),
    **dict.fromkeys(("rose", "risen"), "rise"),
    "lost": "lose",
    "won": "win",
    "sold": "sell",
    "bought": "buy",
    "sent": "send",
    **dict.fromkeys(("wrote", "written"), "write"),
    "stopped": "stop",
}
_WAYS = {
    form: (axis, way)
    for axis, words in enumerate(_AXES)
    for way, side in zip((1, -1), words, strict=True)
    for word in side.split()
    for form in forms(word)
}
_NOT = frozenset(
    {"not", "no", "cannot", "without", "nothing", "none", "neither", "nor", "never", "too"}
)
_REACH = 3
"""Words after a "not" within which it turns another one round."""
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_NAME = re.compile(r"(?<=[a-z0-9,;:)] )[A-Z]\w*")


def hard_tokens(text: str) -> tuple[str, ...]:
    """Values and names in their order, then which way it goes, with a "not" taken into account.

    Examples
    --------
    >>> hard_tokens("Task 7 on node-3 did not succeed")
    ('7', 'node-3', '1-')
    >>> hard_tokens("Task 7 on node-3 failed")
    ('7', 'node-3', '1-')
    """
    pieces, values = cut(text)
    found: list[str] = []
    for piece, value in zip(pieces, (*values, ""), strict=True):
        found += _NAME.findall(piece)
        if value:
            found.append(value)
    return (*found, *_ways(" ".join(pieces)))


def may_link(one: str, other: str) -> bool:
    """Whether two texts may say the same, if they sound alike as well.

    The same words in another order are no paraphrase for sure: roles may be swapped.
    """
    if hard_tokens(one) != hard_tokens(other):
        return False
    words, others = _words(one), _words(other)
    return words == others or sorted(words) != sorted(others)


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _ways(text: str) -> list[str]:
    """Each axis that a word of the text stands on, and the end of it."""
    found: set[tuple[int, int]] = set()
    turned, alone = 0, 0
    for word in _words(text):
        if word in _NOT or word.endswith("n't"):
            alone += turned > 0
            turned = _REACH + 1
            continue
        axis, way = _WAYS.get(_IRREGULAR.get(word, word), (-1, 0))
        if axis >= 0:
            found.add((axis, -way if turned > 0 else way))
            turned = 0
        elif turned > 0:
            turned -= 1
            alone += turned == 0
    alone += turned > 0
    signs = {1: "+", -1: "-"}
    return [f"{axis}{signs[way]}" for axis, way in sorted(found)] + ["not"] * (alone % 2)
