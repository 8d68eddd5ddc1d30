"""A model through sentence-transformers; loading one imports torch: seconds."""

from typing import Any

from streams.adapters.embedding.chunked import PIECES, ChunkedEmbedder, Floats, Ids
from streams.adapters.embedding.exported import TOKENIZER, tokenizer
from streams.adapters.embedding.weights import Weights
from streams.core.errors import Failed


class TorchEmbedder(ChunkedEmbedder):
    """Runs a folder of sentence-transformers, on a GPU where torch finds one.

    Raises
    ------
    Failed
        It can't be loaded.
    """

    def __init__(self, weights: Weights) -> None:
        import torch  # noqa: PLC0415 - gigabytes and seconds
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

        disable_progress_bar()
        model = weights.model
        try:
            self._network: Any = SentenceTransformer(str(weights.folder))
        except (OSError, ValueError, RuntimeError) as error:
            raise Failed(f"{weights.folder} can't be loaded: {error}") from None
        self._torch: Any = torch
        file = weights.folder / TOKENIZER
        fast: Any = getattr(self._network.tokenizer, "backend_tokenizer", None)
        if not file.is_file() and fast is None:
            raise Failed(f"{weights.folder} has no {TOKENIZER}")
        super().__init__(
            model,
            tokenizer(file) if file.is_file() else fast,
            self._network.max_seq_length or PIECES,
        )

    def _run(self, ids: Ids, mask: Ids) -> Floats:
        device = self._network.device
        features = {
            "input_ids": self._torch.from_numpy(ids).to(device),
            "attention_mask": self._torch.from_numpy(mask).to(device),
        }
        with self._torch.inference_mode():
            found: Floats = self._network(features)["sentence_embedding"].float().cpu().numpy()
        return found
