"""Prints a digest of many rankings: run by test_determinism.py in processes of their own."""

import hashlib
import random

from streams.memory.document import Document
from streams.memory.index import TenantIndex
from streams.memory.ranking import Filters, search

DAY = 86_400_000_000
WORDS = [f"word{number}" for number in range(200)]


def main() -> None:
    rng = random.Random(5)
    documents = [
        Document(
            id=f"m{number}",
            content=" ".join(rng.choices(WORDS, k=rng.randint(1, 20))),
            timestamp=rng.randrange(300) * DAY,
            session=f"s{number // 20}",
            context_tags=(rng.choice(WORDS),),
            model="m",
            vector=rng.randbytes(384),
        )
        for number in range(1_500)
    ]
    index = TenantIndex.of(documents)
    digest = hashlib.sha256()
    for _ in range(20):
        question = " ".join(rng.choices(WORDS, k=6))
        vector = rng.randbytes(384)
        found = search(index, question, Filters(), 50, 300 * DAY, vector=vector, model="m")
        digest.update(repr([(f.id, f.score, f.parts) for f in found]).encode())
    print(digest.hexdigest())


if __name__ == "__main__":
    main()
