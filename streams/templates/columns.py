"""Values of a template's texts, a column for each variable, in as few bytes as they take.

The first way that fits all values of a column exactly is taken, the smallest where several do; what
fits none stays as it is written. Nothing here compresses in a way that a library's next version may
do otherwise: the same values are always the same bytes.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import msgspec
from msgspec import Struct

from streams.templates.template import Template, text_with

_RUN = re.compile(r"((?:(?<![A-Za-z0-9])-)?\d+)", re.ASCII)
_INT = re.compile(r"0|-?[1-9]\d{0,18}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+", re.ASCII)
_COMES_AGAIN = 3
"""So many values a shape, on average: else the shapes take what they spare."""
_MAX_BASE = 1 << 63


class Same(Struct, frozen=True, array_like=True, tag=0):
    """The same value in each row."""

    value: str


class Ints(Struct, frozen=True, array_like=True, tag=1):
    """Whole numbers as they are usually written, as bits above the lowest one."""

    base: int
    bits: int
    packed: bytes


class Steps(Struct, frozen=True, array_like=True, tag=2):
    """Whole numbers as steps from the one before, as bits above the lowest step."""

    first: int
    base: int
    bits: int
    packed: bytes


class Digits(Struct, frozen=True, array_like=True, tag=3):
    """Digits with zeros before them, all of one length."""

    length: int
    bits: int
    packed: bytes


class Hexes(Struct, frozen=True, array_like=True, tag=4):
    """Hexadecimal digits, all of one length and case."""

    length: int
    upper: bool
    packed: bytes


class Picks(Struct, frozen=True, array_like=True, tag=5):
    """Few values that come again: each once, in the order in which they first came."""

    values: tuple[str, ...]
    bits: int
    packed: bytes


class Parts(Struct, frozen=True, array_like=True, tag=6):
    """Values that are the same but for their digits: a column for each run of these."""

    pieces: tuple[str, ...]
    columns: tuple["Column", ...]


class Words(Struct, frozen=True, array_like=True, tag=7):
    """Values as they are."""

    values: tuple[str, ...]


class Shapes(Struct, frozen=True, array_like=True, tag=8):
    """Values of some shapes each of which comes again: which one a row has, and its values."""

    bits: int
    packed: bytes
    columns: tuple["Column", ...]


Column = Same | Ints | Steps | Digits | Hexes | Picks | Parts | Words | Shapes
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Column, ...])


def columns_of(rows: Sequence[Sequence[str]]) -> tuple[Column, ...]:
    """Columns of a template's values, a row for each text."""
    return tuple(_column(values) for values in zip(*rows, strict=True))


def rows_of(columns: Sequence[Column], count: int) -> list[tuple[str, ...]]:
    """All rows of values, as they were given to ``columns_of``."""
    if not columns:
        return [()] * count
    return list(zip(*(_values(column, count) for column in columns), strict=True))


def texts_of(template: Template, columns: Sequence[Column], count: int) -> list[str]:
    """All texts, as they were."""
    return [text_with(template, row) for row in rows_of(columns, count)]


def text_of(template: Template, columns: Sequence[Column], row: int) -> str:
    """Text number ``row``, as it was."""
    return text_with(template, [_values(column, row + 1)[row] for column in columns])


def pack(columns: Sequence[Column]) -> bytes:
    """Columns as a row of the state keeps them."""
    return _encoder.encode(columns)


def unpack(packed: bytes) -> tuple[Column, ...]:
    """Columns out of what ``pack`` made."""
    return _decoder.decode(packed)


def _column(values: tuple[str, ...]) -> Column:
    if values.count(values[0]) == len(values):
        return Same(values[0])
    found: list[Column] = []
    if len(set(values)) * 2 <= len(values):
        found.append(_picks(values))
    if all(map(_INT.fullmatch, values)):
        found += _ints([int(value) for value in values])
        return _smallest(found or [Words(values)])
    found.append(Words(values))
    length = len(values[0])
    if all(len(value) == length for value in values):
        if all(value.isascii() and value.isdigit() for value in values):
            bits, packed = _packed([int(value) for value in values])
            found.append(Digits(length, bits, packed))
        elif all(map(_HEX.fullmatch, values)):
            joined = "".join(values)
            if joined in (joined.lower(), joined.upper()):
                even = joined + "0" * (len(joined) % 2)
                found.append(Hexes(length, joined != joined.lower(), bytes.fromhex(even)))
    shapes = _shapes(values)
    if shapes is not None:
        found.append(shapes)
    return _smallest(found)


def _smallest(columns: list[Column]) -> Column:
    return min(columns, key=lambda column: len(_encoder.encode(column)))


def _ints(numbers: list[int]) -> list[Column]:
    found: list[Column] = []
    base = min(numbers)
    if base >= -_MAX_BASE:
        found.append(Ints(base, *_packed([number - base for number in numbers])))
    steps = [after - before for before, after in pairwise(numbers)]
    least = min(steps)
    if min(least, numbers[0]) >= -_MAX_BASE:
        found.append(Steps(numbers[0], least, *_packed([step - least for step in steps])))
    return found


def _picks(values: Sequence[str]) -> Column:
    numbers: dict[str, int] = {}
    bits, packed = _packed([numbers.setdefault(value, len(numbers)) for value in values])
    return Picks(tuple(numbers), bits, packed)


def _shapes(values: Sequence[str]) -> Column | None:
    """Values by what they are without their digits; none where that would not help."""
    alike: dict[tuple[str, ...], list[list[str]]] = {}
    which: list[int] = []
    numbers: dict[tuple[str, ...], int] = {}
    for value in values:
        cut = _RUN.split(value)
        shape = tuple(cut[::2])
        alike.setdefault(shape, []).append(cut[1::2])
        which.append(numbers.setdefault(shape, len(numbers)))
    if len(alike) == 1:
        ((shape, rows),) = alike.items()
        return None if len(shape) == 1 or shape == ("", "") else Parts(shape, columns_of(rows))
    if len(alike) * _COMES_AGAIN > len(values):
        return None
    columns: list[Column] = []
    for shape, rows in alike.items():
        if len(shape) == 1:
            columns.append(Same(shape[0]))
        elif shape == ("", ""):
            columns += columns_of(rows)
        else:
            columns.append(Parts(shape, columns_of(rows)))
    return Shapes(*_packed(which), tuple(columns))


def _values(column: Column, count: int) -> Sequence[str]:
    """The first ``count`` values of a column."""
    match column:
        case Same(value):
            return [value] * count
        case Words(values):
            return values
        case Ints(base, bits, packed):
            return [str(base + number) for number in _unpacked(bits, packed, count)]
        case Steps(first, base, bits, packed):
            found = [first]
            for step in _unpacked(bits, packed, count - 1):
                found.append(found[-1] + base + step)
            return [str(number) for number in found]
        case Digits(length, bits, packed):
            return [str(number).zfill(length) for number in _unpacked(bits, packed, count)]
        case Hexes(length, upper, packed):
            digits = packed.hex().upper() if upper else packed.hex()
            return [digits[at * length : (at + 1) * length] for at in range(count)]
        case Picks(values, bits, packed):
            return [values[number] for number in _unpacked(bits, packed, count)]
        case Parts(pieces, columns):
            return texts_of(Template(pieces), columns, count)
        case Shapes(bits, packed, columns):
            which = _unpacked(bits, packed, count)
            left = [
                iter(_values(column, which.count(number))) for number, column in enumerate(columns)
            ]
            return [next(left[number]) for number in which]


def _packed(numbers: Sequence[int]) -> tuple[int, bytes]:
    """Numbers from 0 on one after the other, each in as many bits as the highest needs."""
    bits = max(numbers).bit_length()
    if not bits:
        return 0, b""
    length = -(-bits * len(numbers) // 8)
    written = "".join([format(number, f"0{bits}b") for number in numbers])
    return bits, int(written.ljust(length * 8, "0"), 2).to_bytes(length)


def _unpacked(bits: int, packed: bytes, count: int) -> list[int]:
    if not bits:
        return [0] * count
    written = format(int.from_bytes(packed), f"0{len(packed) * 8}b")
    return [int(written[at * bits : (at + 1) * bits], 2) for at in range(count)]
