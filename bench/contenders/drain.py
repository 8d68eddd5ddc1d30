"""drain3 with masks, as its readme has them: the cluster of each text, and how long it took."""

import json
import sys
import time
from pathlib import Path

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig

MASKS = (
    (r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", "UUID"),
    (r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?![\w.])", "IP"),
    (r"blk_-?\d+", "ID"),
    (r"(?<!\w)0x[0-9a-fA-F]+(?!\w)", "HEX"),
    (r"(?<!\w)(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{6,}(?!\w)", "HEX"),
    (r"(?<!\w)\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?!\w)", "TIME"),
    (r"(?<![A-Za-z0-9])[-+]?\d+(?:\.\d+)?(?![A-Za-z0-9])", "NUM"),
)


def main() -> None:
    spec = json.loads(sys.argv[1])
    texts = json.loads(Path(spec["texts"]).read_text())
    config = TemplateMinerConfig()
    config.masking_instructions = [MaskingInstruction(*mask) for mask in MASKS]
    miner = TemplateMiner(config=config)
    began = time.perf_counter()
    clusters = [miner.add_log_message(text)["cluster_id"] for text in texts]
    print(json.dumps({"clusters": clusters, "seconds": time.perf_counter() - began}))


main()
