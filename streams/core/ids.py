"""Ids are derived from what they name, so that the same log gives the same ids."""

from functools import lru_cache
from hashlib import blake2b, sha1
from uuid import NAMESPACE_URL, UUID, uuid5

NS = uuid5(NAMESPACE_URL, "urn:agent-streams")


def derived_id(*parts: str) -> str:
    """uuid5 in the project's namespace of the parts joined by newlines (RFC 9562).

    Examples
    --------
    >>> derived_id("t1", "/cars", "1") == derived_id("t1", "/cars", "1")
    True
    """
    # As uuid.uuid5 and str do it, in a third of the time: each output has such an id.
    name = NS.bytes + "\n".join(parts).encode()
    found = bytearray(sha1(name, usedforsecurity=False).digest()[:16])
    found[6] = found[6] & 0x0F | 0x50
    found[8] = found[8] & 0x3F | 0x80
    text = found.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def event_hash(tenant: str, source: str, event_id: str) -> bytes:
    """128-bit identity of an event, for deduplication."""
    text = f"{len(tenant)}:{len(source)}:{tenant}{source}{event_id}"
    return blake2b(text.encode(), digest_size=16).digest()


def random_id(entropy: bytes) -> str:
    """Format 16 random bytes of the shell as an id; the core itself draws no randomness."""
    return str(UUID(bytes=entropy, version=4))


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """Partition of a key, as Kafka's default partitioner has it (murmur2).

    Examples
    --------
    >>> partition_of("t1", 8)
    3
    """
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit MurmurHash2 (``org.apache.kafka.common.utils.Utils.murmur2``)."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = (int.from_bytes(data[i : i + 4], "little") * m) & mask
        k = ((k ^ (k >> 24)) * m) & mask
        h = ((h * m) & mask) ^ k
    if tail := data[whole:]:
        h = ((h ^ int.from_bytes(tail, "little")) * m) & mask
    h = ((h ^ (h >> 13)) * m) & mask
    return h ^ (h >> 15)
