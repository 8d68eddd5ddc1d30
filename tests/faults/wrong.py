"""What a check found wrong, and how many facts were lost or counted twice by it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wrong:
    """One finding, in words."""

    what: str
    lost: int = 0
    double: int = 0

    def __str__(self) -> str:
        return self.what
