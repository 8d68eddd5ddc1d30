"""The one settings object: environment STREAMS_*, over a TOML file, over defaults."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from streams.core.errors import Misuse
from streams.core.money import parse_usd

PREFIX = "STREAMS_"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Names as in the environment, in lower case without ``STREAMS_`` (docs/settings.md)."""

    api: str = ""
    """URL of a worker's API; what commands and clients use."""
    token: str = ""
    """Bearer token that commands and clients send."""
    bind: str = "127.0.0.1:0"
    """Where a worker listens; loopback only until there are tokens."""
    kafka: str = ""
    """Bootstrap servers, host:port, several with commas."""
    data: str = ".streams"
    """Folder of all local state."""
    topic_prefix: str = ""
    """Goes before every topic name."""
    group: str = "streams"
    """Consumer group of the folds; admit's is this + ``-admit``."""
    partitions: int = 8
    replication: int = 1
    """Replication factor of topics that `topics ensure` creates."""
    worker: str = "worker-0"
    """Name of this worker; its folder and its static membership."""
    tick_seconds: float = 1.0
    dedupe_hours: int = 24
    grace_hours: int = 24
    log_retention_hours: int = 168
    erase_deadline_hours: int = 168
    """What is erased is gone everywhere within this time; so are older snapshots and segments."""
    default_budget_usd: str = "100"
    job_history_hours: int = 48
    job_stale_seconds: int = 3600
    working_limit: int = 100
    """Memories in the working memory of one agent of one tenant."""
    total_memory_mb: int = 2048
    """What all tenants' memories may take together; a tenth of it is the reserve."""
    consolidate_window_hours: int = 4
    """How far back, by event time, memories are merged that say the same."""
    consolidate_every_seconds: int = 900
    """How often, in log time."""
    embedder: str = "auto"
    """Model of admit: auto, none, a model's name, or its folder."""
    memory_limit: str = "256MB"
    """What a fold worker keeps of indexes for search, e.g. 64MB, 1GB or in bytes; 0: nothing."""
    namespace_tenants: dict[str, str] = {}
    archive_seconds: float = 60.0
    """How often an owner archives what it has folded: what a lost cluster loses at most."""
    snapshot_seconds: float = 300.0
    """How often an owner makes a snapshot of what has changed."""
    snapshot_keep: int = 12
    """So many of a partition's snapshots are kept, however old."""
    snapshot_keep_hours: int = 2
    """What was the newest within this time is kept, however many."""
    s3_bucket: str = ""
    """Bucket of the snapshots; empty: a folder under ``data`` in its place."""
    s3_endpoint: str = ""
    """URL of a server that is not AWS."""
    s3_prefix: str = "agent-state"
    s3_addressing: str = "auto"
    """path | virtual | auto: path where an endpoint is given."""
    s3_sse: str = ""
    """Server-side encryption to ask for; empty: as the bucket is set."""
    s3_sse_key: str = ""
    """Key of KMS for it."""
    failpoint: str = ""
    """Tests only: ``NAME@FLAGFILE`` kills this process once at that point."""

    @property
    def admit_group(self) -> str:
        return f"{self.group}-admit"

    @property
    def memory_bytes(self) -> int:
        """``memory_limit`` in bytes."""
        return size_bytes(self.memory_limit)


_FROM_ONE = (
    "partitions",
    "replication",
    "dedupe_hours",
    "log_retention_hours",
    "erase_deadline_hours",
    "job_history_hours",
    "job_stale_seconds",
    "working_limit",
    "total_memory_mb",
    "consolidate_window_hours",
    "consolidate_every_seconds",
    "snapshot_keep",
)
_ONE_OF = {
    "s3_addressing": ("auto", "path", "virtual"),
    "s3_sse": ("", "AES256", "aws:kms", "aws:kms:dsse"),
}
# Settings of CONTRACT.md section 7 whose part of the system does not exist yet: known names.
_LATER = frozenset(
    (
        "DEFAULT_COST_PER_TOKEN_USD",
        "TOKENS_FILE",
    )
)


def load(
    environ: Mapping[str, str] | None = None, **overrides: Any
) -> tuple[Settings, tuple[str, ...]]:
    """Read the settings.

    Parameters
    ----------
    environ : mapping, optional
        Instead of ``os.environ``. ``STREAMS_CONFIG`` names a TOML file with the same names.
    **overrides
        What the command line says; wins. None means not given.

    Returns
    -------
    settings, warnings
        A warning for each unknown ``STREAMS_`` name.

    Raises
    ------
    Misuse
        A value is not of its setting's type or range, or the file can't be read.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, Any] = {}
    warnings = []
    for name, value in {
        **_from_file(environ.get("STREAMS_CONFIG")),
        **_from_environ(environ),
    }.items():
        if name in Settings.__struct_fields__ or name == "backup_bucket":
            given[name] = value
        elif name.upper() not in _LATER:
            warnings.append(f"unknown setting {PREFIX}{name.upper()}")
    backup = given.pop("backup_bucket", None) or environ.get("BACKUP_BUCKET")
    if backup and not given.get("s3_bucket"):
        given["s3_bucket"] = backup
    given |= {name: value for name, value in overrides.items() if value is not None}
    if isinstance(given.get("namespace_tenants"), str):
        given["namespace_tenants"] = _json_map(given["namespace_tenants"])
    for name in ("default_budget_usd", "memory_limit"):
        if name in given:
            given[name] = str(given[name])
    try:
        settings = msgspec.convert(given, Settings, strict=False)
        parse_usd(settings.default_budget_usd)
        size_bytes(settings.memory_limit)
    except (msgspec.ValidationError, ValueError) as error:
        raise Misuse(f"a setting is wrong: {error}") from None
    for name in _FROM_ONE:
        if getattr(settings, name) < 1:
            raise Misuse(f"a setting is wrong: {PREFIX}{name.upper()} must be at least 1")
    if settings.grace_hours < 0 or settings.tick_seconds <= 0:
        raise Misuse("a setting is wrong: GRACE_HOURS is at least 0, TICK_SECONDS above 0")
    if settings.archive_seconds <= 0:
        raise Misuse("STREAMS_ARCHIVE_SECONDS must be above 0")
    if settings.snapshot_keep_hours < 0 or settings.snapshot_seconds <= 0:
        raise Misuse(
            "a setting is wrong: SNAPSHOT_KEEP_HOURS is at least 0, SNAPSHOT_SECONDS above 0"
        )
    for name, allowed in _ONE_OF.items():
        if getattr(settings, name) not in allowed:
            choice = ", ".join(filter(None, allowed))
            raise Misuse(f"a setting is wrong: {PREFIX}{name.upper()} is one of {choice}")
    return settings, tuple(warnings)


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name != "STREAMS_CONFIG"
    }


def _from_file(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return {
            name.lower(): value for name, value in tomllib.loads(Path(path).read_text()).items()
        }
    except (OSError, ValueError) as error:
        raise Misuse(f"STREAMS_CONFIG: {error}") from None


_UNITS = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_SIZE = re.compile(r"(\d{1,15}) ?((?:[KMG]?B)?)", re.ASCII | re.IGNORECASE)


def size_bytes(text: str) -> int:
    """Bytes of a size; 1 MB is 1,048,576 of them.

    Raises
    ------
    ValueError
        Not such a text.

    Examples
    --------
    >>> size_bytes("256MB"), size_bytes("0")
    (268435456, 0)
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"a size is written 256MB, 1GB or 0, not {text!r}")
    number, unit = match.groups()
    return int(number) * _UNITS[unit.upper()]


def _json_map(text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text.encode(), type=dict[str, str])
    except msgspec.MsgspecError:
        raise Misuse(
            'STREAMS_NAMESPACE_TENANTS must be a JSON map {"namespace": "tenant"}'
        ) from None
