"""Bench `consolidation`: which memories become one, what that loses, and how small it gets.

Log lines with known templates (loghub's ``*_structured.csv``) stand for what agents remember. Of
every two lines it is asked whether they are of one template and whether they were merged; of every
line whether it can still be given back. Beside it: clusters of embeddings, and drain3.
"""

import argparse
import csv
import json
import random
import re
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import harness
import msgspec
import numpy as np
from consolidation_links import links
from consolidation_pairs import OPPOSITES, PARAPHRASES, ROLES, VALUES
from embedding import embed
from harness import say

from streams.dev.fleet import KINDS
from streams.templates.alike import Group, bucket, group
from streams.templates.columns import columns_of, pack, texts_of, unpack
from streams.templates.hard import may_link

DATA = Path(__file__).parents[2] / "shared" / "data" / "loghub"
CACHE = Path(__file__).parents[1] / ".bench-venv" / "embeddings"
SIZES = (4_000, 16_000, 64_000)
FULL = 300
"""Members of a consolidated memory at most."""
COSINES = (0.85, 0.95)
HOSTILE = (
    "",
    " \t tabs\tand\t7\t",
    "\x00\x1b[31m 5 \x7f",
    "<*> <NUM> {0} {} %s \\1 8",
    "😀 9 👩‍👩‍👧 \u202e",
    "line 1\r\nline 2\u2028",
    "７７ ٣",
    "-0 007 1e9 0x 1.2.3.4.5",
)


def main() -> None:
    options = _options()
    texts, labels = _read(options.data)
    say(f"{len(texts):,} lines, {len(set(texts)):,} different")
    ours = _ours(texts, labels, options.repeats)
    say(f"ours: {ours}")
    result = {
        "name": "consolidation",
        "ours": ours | ({} if options.no_peers else {"links": links(texts, labels, CACHE)}),
        "peers": _peers(texts, labels, options),
        "ratios": {},
        "machine": harness.machine(),
        "repeats": options.repeats,
    }
    result["ratios"] = {
        name: round(ours["merged"] / peer["merged"], 3) for name, peer in result["peers"].items()
    }
    if options.json:
        print(json.dumps(result))
    else:
        _show(result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="consolidation.py", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of loghub's files")
    parser.add_argument("--repeats", type=int, default=1, help="timed runs (1)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--no-peers", action="store_true", help="without embeddings (minutes) and drain3"
    )
    return parser.parse_args()


def _read(folder: Path) -> tuple[list[str], list[Hashable]]:
    files = sorted(folder.rglob("*_structured.csv"))
    if not files:
        sys.exit(f"no *_structured.csv in {folder}: give loghub's folder with --data")
    texts: list[str] = []
    labels: list[Hashable] = []
    for path in files:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            for row in csv.DictReader(file):
                texts.append(row["Content"].encode("utf-8", "replace").decode())
                labels.append((path.name, row["EventId"]))
    return texts, labels


def _ours(texts: list[str], labels: list[Hashable], repeats: int) -> dict[str, Any]:
    groups = group(texts)
    clusters = _clusters(groups, len(texts))
    packed = [(each, pack(columns_of(each.values))) for each in groups]
    kept = sum(len(msgspec.msgpack.encode(each.template)) + len(data) for each, data in packed)
    alone = [texts[at] for at, cluster in enumerate(clusters) if cluster < 0]
    kept += sum(len(text.encode()) for text in alone)
    plain = sum(len(text.encode()) for text in texts)
    lost, failures = _given_back(texts, packed)
    hostile = [text for text in HOSTILE for _ in range(2)]
    hostile_groups = [(each, pack(columns_of(each.values))) for each in group(hostile)]
    timed = {str(size): _timed(_varied(texts, size), repeats) for size in SIZES}
    return {
        **_agreement(clusters, labels),
        "facts_lost": lost,
        "reconstruction_failures": failures + sum(_given_back(hostile, hostile_groups)),
        "memories_of_at_most_300": sum(-(-len(each.members) // FULL) for each in groups)
        + len(alone),
        "bytes_smaller": round(plain / kept, 2),
        "bytes_smaller_than_zlib": round(_zlib(texts) / kept, 2),
        "seconds": {size: wall for size, (wall, _) in timed.items()},
        "cpu_seconds": {size: cpu for size, (_, cpu) in timed.items()},
        "bucket_us": round(_bucket_us(texts), 1),
        "fleet": _of_fleet(_fleet(6_000)),
        "pairs": {
            "opposites_merged": _merged(OPPOSITES),
            "values_as_template": _merged(VALUES),
            "roles_as_template": _merged(ROLES),
            "paraphrases_merged": _merged(PARAPHRASES),
            "paraphrases_may_link": _may_link(PARAPHRASES),
            "others_may_link": _may_link((*OPPOSITES, *VALUES, *ROLES)),
        },
    }


def _clusters(groups: Sequence[Group], count: int) -> list[int]:
    """Number of each text's group; different ones below zero for texts that are alone."""
    clusters = [-1 - at for at in range(count)]
    for number, each in enumerate(groups):
        for member in each.members:
            clusters[member] = number
    return clusters


def _memories(clusters: Sequence[int]) -> int:
    return len(set(clusters))


def _agreement(clusters: Sequence[int], labels: Sequence[Hashable]) -> dict[str, float]:
    """How far what is merged is of one template, counted in pairs of texts."""
    merged, same = _pairs(Counter(clusters)), _pairs(Counter(labels))
    both = _pairs(Counter(zip(clusters, labels, strict=True)))
    return {
        "merged": round(len(clusters) / _memories(clusters), 2),
        "precision": round(both / merged, 5) if merged else 1.0,
        "recall": round(both / same, 5),
        "false_merge_rate": round(1 - both / merged, 6) if merged else 0.0,
    }


def _pairs(counts: Counter[Any]) -> int:
    return sum(count * (count - 1) // 2 for count in counts.values())


def _given_back(texts: Sequence[str], packed: Sequence[tuple[Group, bytes]]) -> tuple[int, int]:
    """Different texts that nothing gives back, and texts that come back otherwise."""
    back = dict(enumerate(texts))
    for each, data in packed:
        found = texts_of(each.template, unpack(data), len(each.members))
        back.update(zip(each.members, found, strict=True))
    failures = sum(back[at] != text for at, text in enumerate(texts))
    return len(set(texts) - set(back.values())), failures


def _zlib(texts: Sequence[str]) -> int:
    """Bytes of the texts as each by itself is compressed, or as it is where that is less."""
    return sum(min(len(zlib.compress(t.encode(), 9)), len(t.encode())) for t in texts)


def _varied(texts: Sequence[str], size: int) -> list[str]:
    """Texts again and again, each time with other digits in their values."""
    rng = random.Random("values")
    found = list(texts[:size])
    while len(found) < size:
        text = texts[len(found) % len(texts)]
        found.append(re.sub(r"\d{3,}", lambda run: _digits(rng, len(run[0])), text))
    return found


def _digits(rng: random.Random, count: int) -> str:
    return str(rng.randrange(10 ** (count - 1), 10**count))


def _timed(texts: list[str], repeats: int) -> tuple[float, float]:
    """Seconds from texts to packed bytes by the clock and of CPU, the median run."""
    runs = []
    for _ in range(repeats):
        began, worked = time.perf_counter(), time.process_time()
        for each in group(texts):
            for at in range(0, len(each.values), FULL):
                pack(columns_of(each.values[at : at + FULL]))
        runs.append((time.perf_counter() - began, time.process_time() - worked))
    wall, cpu = np.median(runs, axis=0)
    return round(float(wall), 3), round(float(cpu), 3)


def _bucket_us(texts: Sequence[str]) -> float:
    began = time.process_time()
    for text in texts:
        bucket(text)
    return (time.process_time() - began) / len(texts) * 1e6


def _fleet(count: int) -> list[str]:
    """What the simulator's agents say."""
    rng = random.Random("fleet")
    return [
        rng.choice(KINDS).says.format(n=n, a=rng.randrange(500), b=rng.randrange(40))
        for n in range(count)
    ]


def _of_fleet(texts: list[str]) -> dict[str, Any]:
    """What becomes of the simulator's messages, of which it is known that nothing may be lost."""
    groups = group(texts)
    packed = [(each, pack(columns_of(each.values))) for each in groups]
    kept = sum(len(msgspec.msgpack.encode(each.template)) + len(data) for each, data in packed)
    lost, failures = _given_back(texts, packed)
    return {
        "messages": len(texts),
        "memories": _memories(_clusters(groups, len(texts))),
        "memories_of_at_most_300": sum(-(-len(each.members) // FULL) for each in groups),
        "facts_lost": lost,
        "reconstruction_failures": failures,
        "bytes_smaller": round(sum(len(text.encode()) for text in texts) / kept, 2),
    }


def _merged(pairs: Sequence[tuple[str, str]]) -> int:
    """How many pairs become one; a wrong word in what comes back ends the bench."""
    count = 0
    for pair in pairs:
        for each in group(pair):
            assert texts_of(each.template, columns_of(each.values), 2) == list(pair)
            count += 1
    return count


def _may_link(pairs: Sequence[tuple[str, str]]) -> int:
    return sum(may_link(*pair) for pair in pairs)


def _peers(
    texts: list[str], labels: list[Hashable], options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    if options.no_peers:
        return {}
    peers: dict[str, Callable[[], dict[str, Any]]] = {
        "drain3, one text kept": lambda: _drain(texts, labels),
        **{
            f"cosine leader {cosine}": lambda cosine=cosine: _leader(texts, labels, cosine)
            for cosine in COSINES
        },
    }
    found = {}
    for name, peer in peers.items():
        found[name] = peer()
        say(f"{name}: {found[name]}")
    return found


def _drain(texts: list[str], labels: list[Hashable]) -> dict[str, Any]:
    python = harness.peers_python()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(texts, file)
        file.flush()
        ran = harness.contend(python, "drain", {"texts": file.name}, 300, broker=0)
    return {
        **_agreement(ran["clusters"], labels),
        "facts_lost": len(set(texts)) - _memories(ran["clusters"]),
        "seconds": round(ran["seconds"], 2),
    }


def _leader(texts: list[str], labels: list[Hashable], cosine: float) -> dict[str, Any]:
    """Each text to the nearest leader above the cosine, or it becomes one."""
    different = list(dict.fromkeys(texts))
    vectors = embed(different, CACHE)
    leaders = np.zeros((0, vectors.shape[1]), np.float32)
    cluster_of: dict[str, int] = {}
    for text, vector in zip(different, vectors, strict=True):
        likeness = leaders @ vector
        best = int(likeness.argmax()) if len(leaders) else -1
        if best < 0 or likeness[best] < cosine:
            best = len(leaders)
            leaders = np.vstack([leaders, vector])
        cluster_of[text] = best
    clusters = [cluster_of[text] for text in texts]
    return {**_agreement(clusters, labels), "facts_lost": len(different) - len(leaders)}


def _show(result: dict[str, Any]) -> None:
    print(f"{'method':<24} {'merged':>8} {'precision':>10} {'recall':>8} {'facts lost':>11}")
    for name, figures in {"ours": result["ours"], **result["peers"]}.items():
        print(
            f"{name:<24} {figures['merged']:>7.1f}x {figures['precision']:>10.5f}"
            f" {figures['recall']:>8.5f} {figures['facts_lost']:>11,}"
        )
    for name, figure in result["ours"].items():
        print(f"{name}: {figure}")


if __name__ == "__main__":
    main()
