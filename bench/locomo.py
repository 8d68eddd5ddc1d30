"""Bench `locomo`: is the turn that holds the answer among the first 10 and 20 that search finds?

The product's own search over LoCoMo: one tenant a conversation, one memory a turn (speaker, text,
image caption), its session and the session's time. Recall is fractional: of a question's evidence
turns the share found; questions whose evidence names no turn are left out. Weights are chosen by
leave-one-out over conversations: each conversation is ranked with the weights that were best on the
others, and the mean over the left out ones is the result.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import harness
import locomo_peers as peers
import msgspec
import numpy as np
from embedding import MODEL, embed
from harness import say
from locomo_data import Conversation, read
from numpy.typing import NDArray

from streams.memory.dense import quantise
from streams.memory.document import Document
from streams.memory.index import TenantIndex
from streams.memory.ranking import DEFAULT, Filters, Weights, search

CACHE = Path(__file__).parents[1] / ".bench-venv" / "embeddings"
DEPTHS = (5, 10, 20, 50)
GRID: dict[str, tuple[Any, ...]] = {
    "b": (410, 768),
    "dense": (192, 256, 320),
    "date": (128, 256),
    "neighbours": ((77,), (102, 51), DEFAULT.neighbours),
}
ALONE = Weights(neighbours=(), related=0, date=0, priority=0, recency=0, use=0)
BEST_PUBLISHED = {"recall@20": 0.784, "what": "all ten conversations, hybrid with a reranker"}
Ranked = list[list[int]]
"""Turns found for each question of a conversation, best first."""


class Ready:
    """A conversation, indexed and with its questions embedded."""

    def __init__(self, conversation: Conversation, cache: Path, *, dated: bool = True) -> None:
        self.conversation = conversation
        self.turn_vectors = embed([turn.content for turn in conversation.turns], cache)
        self.question_vectors = embed([each.text for each in conversation.questions], cache)
        self._asked = [
            (each.text, quantise(vector)[0])
            for each, vector in zip(conversation.questions, self.question_vectors, strict=True)
        ]
        self.now = max(turn.at for turn in conversation.turns)
        self._index = TenantIndex.of(
            Document(
                id=f"{place:05}",
                content=turn.content,
                timestamp=turn.at if dated else self.now,
                place=place,
                session=turn.session,
                model=MODEL,
                vector=quantise(vector)[0],
            )
            for place, (turn, vector) in enumerate(
                zip(conversation.turns, self.turn_vectors, strict=True)
            )
        )

    def ranked(self, weights: Weights, *, accessed: bool = False) -> Ranked:
        """What search finds; with ``accessed`` each result counts as used from then on."""
        uses = [0] * len(self.conversation.turns)
        ranked = []
        for text, vector in self._asked:
            found = search(
                self._index,
                text,
                Filters(),
                DEPTHS[-1],
                self.now,
                vector=vector,
                model=MODEL,
                weights=weights,
            )
            ranked.append([int(each.id) for each in found])
            for place in ranked[-1][:20] if accessed else ():
                uses[place] += 1
                self._index.used(f"{place:05}", uses[place], self.now)
        for place in range(len(uses)) if accessed else ():
            self._index.used(f"{place:05}", 0, 0)
        return ranked

    def recalls(self, ranked: Ranked) -> NDArray[np.float64]:
        """Questions x depths."""
        return np.array(
            [
                [len(set(each.evidence) & set(row[:d])) / len(each.evidence) for d in DEPTHS]
                for each, row in zip(self.conversation.questions, ranked, strict=True)
            ]
        )


def main() -> None:
    options = _options()
    conversations = read(options.data)
    ready = [Ready(each, options.cache) for each in conversations]
    began = time.thread_time()
    default = [each.recalls(each.ranked(DEFAULT)) for each in ready]
    asked = sum(len(each.questions) for each in conversations)
    search_ms = (time.thread_time() - began) / asked * 1e3
    say(f"the default weights: {_figures(default)}")
    held_out, chosen = _cross_validated(ready)
    undated = [Ready(each, options.cache, dated=False) for each in conversations]
    result = {
        "name": "locomo",
        "ours": {
            **_figures(held_out),
            "measured": "mean over left-out conversations, weights chosen on the others",
            "by_category": _by_category(ready, held_out),
            "by_conversation": {
                each.conversation.id: _means(recalls)
                for each, recalls in zip(ready, held_out, strict=True)
            },
            "chosen": chosen,
            "default_weights": _figures(default),
            "default_weights_undated": _figures([r.recalls(r.ranked(DEFAULT)) for r in undated]),
            "default_weights_accessed": _figures(
                [r.recalls(r.ranked(DEFAULT, accessed=True)) for r in ready]
            ),
            "bm25_alone": _figures([r.recalls(r.ranked(_only(dense=0))) for r in ready]),
            "dense_alone": _figures([r.recalls(r.ranked(_only(lexical=0))) for r in ready]),
            "without_neighbours": _figures(
                [
                    r.recalls(r.ranked(msgspec.structs.replace(DEFAULT, neighbours=())))
                    for r in ready
                ]
            ),
            "search_cpu_ms": round(search_ms, 2),
        },
        "peers": _peers(ready),
        "ratios": {},
        "machine": harness.machine(),
        "repeats": 1,
        "published": BEST_PUBLISHED,
        "questions": asked,
        "turns": sum(len(each.turns) for each in conversations),
    }
    result["ratios"] = {
        name: round(result["ours"]["recall@10"] / figures["recall@10"], 3)
        for name, figures in result["peers"].items()
    }
    if options.json:
        print(json.dumps(result))
    else:
        _show(result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="locomo.py", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="locomo5.json, or its folder")
    parser.add_argument("--repeats", type=int, default=1, help="not used: nothing here varies")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="folder in which embeddings are kept"
    )
    return parser.parse_args()


def _cross_validated(
    ready: Sequence[Ready],
) -> tuple[list[NDArray[np.float64]], dict[str, dict[str, Any]]]:
    """Each conversation's recalls with the weights that were best on all others."""
    candidates = [
        msgspec.structs.replace(DEFAULT, **dict(zip(GRID, values, strict=True)))
        for values in itertools.product(*GRID.values())
    ]
    tried: list[list[NDArray[np.float64]]] = []
    for number, weights in enumerate(candidates):
        tried.append([each.recalls(each.ranked(weights)) for each in ready])
        if number % 12 == 11:
            say(f"{number + 1} of {len(candidates)} settings of the weights")
    held_out, chosen = [], {}
    wanted = [DEPTHS.index(10), DEPTHS.index(20)]
    for left_out, each in enumerate(ready):
        merits = [
            np.mean([r[:, wanted].mean() for at, r in enumerate(recalls) if at != left_out])
            for recalls in tried
        ]
        best = int(np.argmax(merits))
        held_out.append(tried[best][left_out])
        chosen[each.conversation.id] = {key: getattr(candidates[best], key) for key in GRID}
    return held_out, chosen


def _peers(ready: Sequence[Ready]) -> dict[str, dict[str, Any]]:
    lexical, dense, both = [], [], []
    for each in ready:
        turns = [turn.content for turn in each.conversation.turns]
        words = peers.bm25(turns, [question.text for question in each.conversation.questions])
        cosines = (each.question_vectors @ each.turn_vectors.T).astype(np.float64)
        sessions = [turn.session for turn in each.conversation.turns]
        fused = peers.standard_sum(words, cosines, sessions, 0.3)
        for scores, into in ((words, lexical), (cosines, dense), (fused, both)):
            rows = np.argsort(-scores, axis=1, kind="stable")[:, : DEPTHS[-1]]
            into.append(each.recalls(rows.tolist()))
    return {
        "bm25": {**_figures(lexical), "what": "Okapi BM25 (k1 1.5, b 0.75), no stemming"},
        "minilm": {**_figures(dense), "what": "cosine of all-MiniLM-L6-v2"},
        "z-sum-0.3": {**_figures(both), "what": "sum of both standard scores, smoothed by 0.3"},
    }


def _only(**without: int) -> Weights:
    return msgspec.structs.replace(ALONE, **without)


def _means(recalls: NDArray[np.float64]) -> dict[str, float]:
    return {f"recall@{d}": round(float(m), 4) for d, m in zip(DEPTHS, recalls.mean(0), strict=True)}


def _figures(by_conversation: Sequence[NDArray[np.float64]]) -> dict[str, float]:
    """Mean over conversations; ``.._questions`` is over all questions alike."""
    means = np.mean([recalls.mean(0) for recalls in by_conversation], axis=0)
    alike = np.concatenate(list(by_conversation)).mean(0)
    figures = {f"recall@{d}": round(float(m), 4) for d, m in zip(DEPTHS, means, strict=True)}
    return figures | {
        f"recall@{d}_questions": round(float(m), 4)
        for d, m in zip(DEPTHS, alike, strict=True)
        if d in (10, 20)
    }


def _by_category(
    ready: Sequence[Ready], recalls: Sequence[NDArray[np.float64]]
) -> dict[str, dict[str, float]]:
    every = np.concatenate(list(recalls))
    categories = np.array([q.category for r in ready for q in r.conversation.questions])
    return {
        str(category): {"questions": int((categories == category).sum())}
        | _means(every[categories == category])
        for category in sorted(set(categories.tolist()))
    }


def _show(result: dict[str, Any]) -> None:
    print(f"{'':<28} " + " ".join(f"R@{depth:<4}" for depth in DEPTHS))
    rows = {"ours (held-out folds)": result["ours"]}
    rows |= {
        f"ours, {name.replace('_', ' ')}": result["ours"][name]
        for name in (
            "default_weights",
            "default_weights_undated",
            "default_weights_accessed",
            "without_neighbours",
            "bm25_alone",
            "dense_alone",
        )
    }
    for name, figures in {**rows, **result["peers"]}.items():
        print(f"{name:<34} " + " ".join(f"{figures[f'recall@{d}']:.3f} " for d in DEPTHS))


if __name__ == "__main__":
    main()
