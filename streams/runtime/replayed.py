"""What a replay leaves: a folder with a database a partition, and a file that says what it is."""

from pathlib import Path
from typing import Literal

import msgspec

from streams.core.errors import Misuse
from streams.core.log import VERSION

FILE = "replay.json"
FORMAT = 1


class ReplayedPartition(msgspec.Struct, frozen=True, kw_only=True):
    """Where one partition's replayed state stands."""

    topic: str
    """Full name of the folded log."""
    partition: int
    log: Literal["tenant", "control"]
    incarnation: int
    offset: int
    """Last folded record of the log, -1 for none."""
    log_time: str
    begun_from: str
    """zero, or the name of a snapshot's manifest."""
    records: int
    """Read since."""

    @property
    def folder(self) -> str:
        """Name of its database's folder."""
        return f"{self.topic}-{self.partition}"


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """The file: written last, so a folder without it is no replay, or not a whole one."""

    format: int = FORMAT
    fold_version: int = VERSION
    code_version: str
    until: str | None
    """Log time that was asked for; None: all that the log held."""
    partitions: list[ReplayedPartition]

    @property
    def tenants(self) -> list[ReplayedPartition]:
        """Partitions of the tenant log, in order."""
        return [each for each in self.partitions if each.log == "tenant"]


def write_replayed(folder: Path, replayed: Replayed) -> None:
    """Write the file, whole or not at all."""
    path = folder / FILE
    new = path.with_name(f"{FILE}.new")
    new.write_bytes(msgspec.json.format(msgspec.json.encode(replayed), indent=2) + b"\n")
    new.replace(path)


def read_replayed(folder: Path) -> Replayed:
    """Read the file.

    Raises
    ------
    Misuse
        The folder is not one that a replay has made, or is of a later version.
    """
    try:
        found = msgspec.json.decode((folder / FILE).read_bytes(), type=Replayed)
    except FileNotFoundError:
        raise Misuse(f"{folder} has no {FILE}: it is not a whole `streams replay`") from None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Misuse(f"{folder / FILE} can't be read: {error}") from None
    if found.format > FORMAT or found.fold_version > VERSION:
        raise Misuse(f"{folder} was made by a later version of streams ({found.code_version})")
    return found
