"""A bare embedder: how long until its first vector, then texts a second, and its memory."""

import json
import sys
import time

BEGAN = time.perf_counter()

from pathlib import Path  # noqa: E402 - what is imported counts

sys.path.insert(0, str(Path(__file__).parents[2]))

from stopwatch import Stopwatch, finish, memory_mib, spec  # noqa: E402

from streams.adapters.embedding.exported import OnnxEmbedder  # noqa: E402
from streams.adapters.embedding.torch_model import TorchEmbedder  # noqa: E402
from streams.adapters.embedding.weights import packaged  # noqa: E402


def main() -> None:
    given = spec()
    weights = packaged()
    assert weights is not None
    embedder = (
        TorchEmbedder(weights) if given["kind"] == "torch" else OnnxEmbedder(Path(given["model"]))
    )
    embedder.embed(["ready?"])
    start = time.perf_counter() - BEGAN
    loaded = memory_mib("VmRSS")
    texts = json.loads(Path(given["texts"]).read_text())
    single = []
    for text in texts[:20]:
        began = time.perf_counter()
        embedder.embed([text])
        single.append(time.perf_counter() - began)
    watch = Stopwatch()
    watch.start()
    embedder.embed(texts)
    watch.stop()
    report = watch.report(len(texts), "")
    report |= {"start_s": start, "loaded_mib": loaded, "query_ms": sorted(single)[10] * 1e3}
    finish(report)


if __name__ == "__main__":
    main()
