"""What of a text is a value: numbers, ids, addresses, times, paths, names where names stand.

A text is cut by looking at nothing but itself, so that the same text is always cut the same and
neither the order nor the other texts matter. The pieces and the values put together again are the
text, whatever it is: nothing in it is replaced by a mark that could also stand there as itself.
"""

import re

from streams.templates.states import STATES

MAX_CUT = 8_192
"""Characters: a longer text is one piece, only equal to the same text."""
_STRUCTURED = 4
"""So many ``key=value`` make a text a record of fields: plain words are values there too."""

_WORD_END = r"(?!\w)"
_PORT = r"(?::\d{1,5})?"
_IP = rf"\d{{1,3}}(?:\.\d{{1,3}}){{3}}{_PORT}(?![\w.]*\w)"
_GO_ON = r"[^\s\"'<>()\[\]{},;]"
"""What a path and an address go on with; they do not end with punctuation."""
_TAIL = rf"{_GO_ON}*(?<![.:!?])"
_NUMBER = r"(?:(?<![A-Za-z0-9)\]])[-+])?\d+"
_NAME = r"[A-Za-z][\w.@$-]{0,63}"
_HEX = r"(?=[a-fA-F]*\d)(?=\d*[a-fA-F])(?:[0-9a-f]{6,}|[0-9A-F]{6,})(?!\w)"
_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
# host/10.0.0.1:80
_ADDRESS = rf"(?:[A-Za-z0-9][\w.-]{{0,99}}+/)?{_IP}"
# 00:11:43:e3:ba:c3, fe80::1
_COLONS = (
    rf"(?:[0-9a-fA-F]{{1,4}}:){{3,7}}:?[0-9a-fA-F]{{1,4}}{_WORD_END}",
    rf"(?:[0-9a-fA-F]{{1,4}}:){{1,6}}:(?:[0-9a-fA-F]{{1,4}}:){{0,5}}[0-9a-fA-F]{{1,4}}{_WORD_END}",
)
# a.user@host.example, com.example.host:80, com.example/.Part
_DOTTED = (
    r"(?<![.+-])[\w.+-]{1,64}+@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+",
    rf"(?<![.$-])\w[\w$-]{{0,127}}+(?:\.[\w$-]{{1,127}}){{2,}}(?:/[\w.$-]+\w)?{_PORT}{_WORD_END}",
    rf"(?<![.$-])\w[\w-]{{0,62}}+\.[A-Za-z]{{2,}}(?::\d{{1,5}}{_WORD_END}|(?= \[\d))",
)
_LETTER_FIRST = (
    # hdfs://host:9000/a, C:\a\b
    rf"[A-Za-z][A-Za-z0-9+.]{{0,15}}+://{_TAIL}",
    rf"[A-Za-z]:\\{_TAIL}",
    _UUID,
    _ADDRESS,
    *_COLONS,
    # Package_for_KB12~31bf3856ad364e35~amd64~~6.1.1.2
    r"[\w.-]{1,99}+~[0-9a-f]{16}~[\w.~-]*",
    *_DOTTED,
    _HEX,
    # msra-sa-41:9000
    rf"(?<!-)(?=[A-Za-z-]*+\d)[A-Za-z][A-Za-z0-9]{{0,63}}+(?:-[A-Za-z0-9]{{1,63}})+{_PORT}{_WORD_END}",
    # broadcast_9_piece0, blk_-42. A run of digits is taken as a whole: there are so many ways to
    # share it out that it would take for ever to find out that none fits.
    r"[A-Za-z]++(?:_[A-Za-z]++){0,3}_-?\d++(?>_?[A-Za-z]{0,6}[_-]?\d++)*(?![\w(])",
    # eth1, dn228
    r"[a-z]{1,8}+\d{1,9}(?![\w(=])",
    # _A8
    rf"(?<=_)[A-Za-z]\d+{_WORD_END}",
)
_DIGIT_FIRST = (
    # The most usual, before anything else is tried.
    r"\d{1,18}(?![\w:/@-]|[.,]\w| ?[KMGTPB])",
    # 2015-10-18 18:01:47,978
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}(?:[T ]\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    + _WORD_END,
    _UUID,
    _ADDRESS,
    *_COLONS,
    # 03:55:15.123
    rf"\d{{1,9}}(?::\d{{1,9}})+(?:[.,]\d+)?{_WORD_END}",
    rf"0[xX][0-9a-fA-F]+{_WORD_END}",
    rf"(?=[\d.]*[A-Za-z_-])(?:{'|'.join(_DOTTED)})",
    _HEX,
    # 5.2 KB
    rf"\d+(?:\.\d+)? ?(?:[KMGTP]i?B|B){_WORD_END}",
)
# 1445144423722_0020_m_000000, 12,345.6, 5s
_PLAIN_NUMBER = (
    rf"{_NUMBER}(?:[.,]\d+)*(?:[-_]?[A-Za-z]{{0,2}}[-_]?\d+)*(?:[A-Za-z]{{1,2}}(?![A-Za-z]))?"
)
# Sun Jul 10 03:55:15 2005
_DATE = (
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? )?"
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6} {1,2}\d{1,2}"
    r"(?:,? \d{4})?(?: \d\d:\d\d:\d\d(?: [A-Z]{3,4})?(?: \d{4})?)?(?!\w)"
)
_AFTER_A_SPACE = (
    rf"(?<=[Ff]or ){_NAME}(?= from \S*[\d:])",
    rf"(?:(?<=for user )|(?<=nvalid user )|(?<=failures for )){_NAME}(?= from | by | \[|[(,]|$)",
)
_AFTER_A_MARK = (
    r"(?:(?<=user=)|(?<=name=)|(?<=host=)|(?<=tty=))(?:[^\s\"'<>()\[\]{},;]{0,64})",
    r"(?<=[\"'])(?=[A-Za-z_.:/-]*\d)[\w.:/-]{1,99}(?=[\"'])",
    rf"(?<=^\(){_NAME}(?=\) CMD )",
)
_AT_A_MARK = (
    r"(?<![*\w])\*{2,5}(?![*\w])",
    r"\\042[^\\\s]{1,99}\\042",
)


def _either(alternatives: tuple[str, ...]) -> str:
    return f"(?:{'|'.join(alternatives)})"


# Most words are no values: that shall be seen soon, so each branch looks at one character first.
_BRANCHES = (
    rf"(?=\d){_either(_DIGIT_FIRST)}",
    # /a/b
    rf"(?=/)(?<![\w.)\]/])/{_GO_ON}{_TAIL}",
    rf"(?=[A-Za-z_][^\s/\\:@.~\d]{{0,80}}+[/\\:@.~\d]){_either(_LETTER_FIRST)}",
    rf"(?=[*\\]){_either(_AT_A_MARK)}",
    rf"(?=[-+\d]){_PLAIN_NUMBER}",
)
_STARTED = (
    rf"(?<![^\W_])(?:(?<=r ){_either(_AFTER_A_SPACE)}"
    rf"|(?<=[=\"'(]){_either(_AFTER_A_MARK)}"
    rf"|(?=[JFMASONDTWl][aeopuhr])(?:{_DATE}|localhost{_PORT}{_WORD_END})"
    rf"|(?![A-Za-z]++(?:[\s,;)]|$)){_either(_BRANCHES)})|\d+"
)
# In a record of fields a plain word is a value, and so are what is quoted and what is in braces.
_FIELD = (
    r"(?:(?<==)|(?<== )|(?<==  ))"
    r"(?:(?P<tag>(?<=tag=)\"[^\"]{0,64}\")|\"[^\"]{0,64}\""
    r"|[A-Za-z]\w{0,31}(?:\{[^{}\s]{0,64}\})?(?![\w.=-]))"
)
_PLAIN = re.compile(_STARTED, re.ASCII)
_FIELDS = re.compile(f"{_FIELD}|{_STARTED}", re.ASCII)
_LETTERS = re.compile(r"[A-Za-z][a-z]+|[A-Z]{2,}")
_DIGITS = re.compile(r"\d+", re.ASCII)
_LETTER = re.compile(r"[^\W\d_]")
_SLASHES = re.compile(r"[/\\]")
_NAME_PARTS = re.compile(r"[._-]")
_SHORT_PATH = 4
_PREFIXES = frozenset({"un", "de", "in", "re", "dis", "mis", "non", "pre"})
_SEPARATORS = frozenset({" ", ",", ";"})
_EITHER = frozenset({"true", "false"})
_NOTHING = frozenset({"null", "none"})
_SETTINGS = 3
"""So many of true and false make them a record's values; fewer are what the text is about."""


def cut(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Pieces that stand fast and the values between them: one piece more than there are values.

    Examples
    --------
    >>> cut("Received block blk_-42 of size 67108864 from /10.251.42.84")
    (('Received block ', ' of size ', ' from ', ''), ('blk_-42', '67108864', '/10.251.42.84'))
    """
    if len(text) > MAX_CUT:
        return (text,), ()
    fields = text.count("=") >= _STRUCTURED
    allowed: frozenset[str] = frozenset()
    if fields:
        settings = text.count("true") + text.count("false") >= _SETTINGS
        allowed = _NOTHING | _EITHER if settings else _NOTHING
    pieces: list[str] = []
    values: list[str] = []
    at = 0
    for found in (_FIELDS if fields else _PLAIN).finditer(text):
        start, end = found.span()
        value = text[start:end]
        if not value.isdigit() and found.lastgroup is None and _tells(value, allowed):
            # How something stands is no value; which one of many it is still is one.
            for digits in _DIGITS.finditer(value):
                pieces.append(text[at : start + digits.start()])
                values.append(digits[0])
                at = start + digits.end()
            continue
        pieces.append(text[at:start])
        values.append(value)
        at = end
    pieces.append(text[at:])
    if values and not any(map(_LETTER.search, pieces)):
        # Nothing but values: that two numbers are numbers does not make them alike.
        return (text,), ()
    return _listed(pieces, values)


def _listed(pieces: list[str], values: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make one value of a list of them, however many: ``blk_1 blk_2 blk_3``, ``3, 4``."""
    if len(values) < 2:
        return tuple(pieces), tuple(values)
    kept, made = pieces[:1], values[:1]
    for number in range(1, len(values)):
        piece, before = pieces[number], kept[-1]
        # The first of a list has the prefix that all have: what stands since the last space.
        if (
            piece[:1] in _SEPARATORS
            and piece.lstrip(" ,;") == _last_word(before)
            and values[number][:1].isalpha() == values[number - 1][:1].isalpha()
        ):
            made[-1] += piece + values[number]
        else:
            kept.append(piece)
            made.append(values[number])
    kept.append(pieces[-1])
    return tuple(kept), tuple(made)


def _last_word(piece: str) -> str:
    return piece[piece.rfind(" ") + 1 :].lstrip("[(<{'\"")


def _tells(value: str, allowed: frozenset[str]) -> bool:
    """Whether a word in it tells how something stands."""
    words = _LETTERS.findall(value)
    if not words:
        return False
    if value.startswith("/") or "://" in value or "\\" in value:
        # Where a long path leads to is a value; what is done there is not: /jobs/7/stop.
        parts = _SLASHES.split(value)
        if len(parts) > _SHORT_PATH:
            words = _LETTERS.findall("/".join(parts[-2:]))
    elif "." in value:
        # As with the whole parts and the last word of a name: android.intent.action.SCREEN_ON.
        words = [*_NAME_PARTS.split(value), words[-1]]
    return any(_is_state(word) and word not in allowed for word in map(str.lower, words))


def _is_state(word: str) -> bool:
    if word in STATES:
        return True
    return (
        (word[:2] in _PREFIXES and word[2:] in STATES)
        or (word[:3] in _PREFIXES and word[3:] in STATES)
        or (word.endswith("ly") and word[:-2] in STATES)
    )
