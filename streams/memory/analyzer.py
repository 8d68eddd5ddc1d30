"""Words of a text as the index and the queries use them.

Identifiers (``rec-2024_07/part-0012``, ``DataLoader``) are kept whole and split; English words are
stemmed, irregular forms included; scripts without spaces become pairs of characters. The same text
gives the same terms under the same Python (its Unicode tables) and the same PyStemmer.

Nothing is kept from one text to the next: how long it takes must not tell one tenant which words
another one has.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import pairwise

from Stemmer import Stemmer

from streams.memory.words import IRREGULAR, STOP_WORDS

_Stem = Callable[[str], str]
MAX_TERM = 64
"""Characters of a term: a longer run (base64, a minified line) is cut to them."""
_CONTRACTION = re.compile(r"'(?:s|m|re|ve|ll|d|t)\b")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PLAIN = re.compile(r"\w+(?:[-./:@+]\w+)*", re.ASCII)
_INNER = re.compile(r"[-._/:@+]+")
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana and Han."""
_IGNORED = dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))
_APOSTROPHES = {0x2019: "'", 0x2BC: "'"}


def terms(text: str) -> list[str]:
    """Terms of a text in order, an identifier's parts after the whole.

    Examples
    --------
    >>> terms("Caroline's runs of rec-2024_07/part-0012 FAILED")
    ['carolin', 'run', 'of', 'rec-2024_07/part-0012', 'rec', '2024', '07', 'part', '0012', 'fail']
    """
    # Made anew, since one is neither for two threads nor, by default, without a memory.
    stem = Stemmer("english", 0).stemWord
    if text.isascii():
        return [term for found in _PLAIN.findall(_folded(text)) for term in _of_word(found, stem)]
    text = unicodedata.normalize("NFKC", text).translate(_IGNORED).translate(_APOSTROPHES)
    return [term for found in _any().findall(_folded(text)) for term in _of_any(found, stem)]


def query_terms(text: str) -> dict[str, int]:
    """Terms of a question and how often, without words that any sentence has.

    A question of nothing but such words keeps them: it then asks for them.
    """
    every = terms(text)
    return dict(Counter([t for t in every if t not in _stop_terms()] or every))


def _folded(text: str) -> str:
    # The case is still needed to split camelCase; all else is done word by word.
    return _CONTRACTION.sub(" ", text) if "'" in text else text


def _of_word(word: str, stem: _Stem) -> tuple[str, ...]:
    """Terms of one run without spaces: itself, and its parts when it has some."""
    if word.isascii() and word.isalpha() and (word.islower() or word[1:].islower()):
        return (_stemmed(word.lower(), stem),)
    parts = [piece for part in _INNER.split(word) if part for piece in _CAMEL.split(part)]
    if len(parts) == 1:
        return (_stemmed(_case(parts[0]), stem),)
    whole = _case(word.strip("_"))[:MAX_TERM]
    return (whole, *(_stemmed(_case(part), stem) for part in parts))


def _of_any(word: str, stem: _Stem) -> tuple[str, ...] | list[str]:
    """As ``_of_word``; runs of scripts without spaces are cut out and become pairs."""
    runs = _unspaced().split(word)
    if len(runs) == 1:
        return _of_word(word, stem)
    found: list[str] = []
    for number, run in enumerate(runs):
        if number % 2:
            found += [a + b for a, b in pairwise(run)] or [run]
        else:
            found += [term for each in _any().findall(run) for term in _of_word(each, stem)]
    return found


def _case(word: str) -> str:
    return word.lower() if word.isascii() else unicodedata.normalize("NFKC", word.casefold())


def _stemmed(word: str, stem: _Stem) -> str:
    word = word[:MAX_TERM]
    if not (word.isascii() and word.isalpha()):
        return word
    return stem(IRREGULAR.get(word, word))


@cache
def _stop_terms() -> frozenset[str]:
    stem = Stemmer("english", 0).stemWord
    return frozenset(_stemmed(word, stem) for word in STOP_WORDS) | STOP_WORDS


@cache
def _any() -> re.Pattern[str]:
    # Combining marks belong to the word (Devanagari's vowels are marks), which \w does not know.
    marks = "".join(
        re.escape(chr(code))
        for code in range(0x300, 0x20000)
        if unicodedata.category(chr(code))[0] == "M"
    )
    word = rf"[\w{marks}]"
    return re.compile(rf"{word}+(?:[-./:@+]{word}+)*")


@cache
def _unspaced() -> re.Pattern[str]:
    return re.compile(f"([{_UNSPACED}]+)")
