"""What texts of one kind share, and the text that it and one row of values make."""

from collections.abc import Sequence

from msgspec import Struct

from streams.templates.masks import cut


class Template(Struct, frozen=True, array_like=True):
    """Pieces that all its texts have; a value stands between each two of them."""

    pieces: tuple[str, ...]

    @property
    def variables(self) -> int:
        """How many values a text of it has."""
        return len(self.pieces) - 1


def template_of(text: str) -> tuple[Template, tuple[str, ...]]:
    """Return the template of a text and its values: a function of the text alone.

    Examples
    --------
    >>> template_of("Running task 0.0 in stage 0.0 (TID 7)")[1]
    ('0.0', '0.0', '7')
    """
    pieces, values = cut(text)
    return Template(pieces), values


def text_with(template: Template, values: Sequence[str]) -> str:
    """Put values back between a template's pieces: of a text's own ones, that text exactly."""
    woven = [part for pair in zip(template.pieces, values, strict=False) for part in pair]
    return "".join([*woven, template.pieces[-1]])
