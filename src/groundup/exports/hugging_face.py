"""A Hugging Face directory for other programs: adapters merged, the weights in the number format that is asked for."""

from __future__ import annotations

from pathlib import Path

import torch

from groundup.model.directory import save_model
from groundup.model.transformer import Transformer
from groundup.tokens.tokenizer import Tokenizer

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def write_hugging_face(model: Transformer, tokenizer: Tokenizer, directory: Path, dtype: str = "float32") -> None:
    """Write config.json, generation_config.json, model.safetensors, tokenizer.json and tokenizer_config.json.

    Of preset classic, which no stock class has, they open in groundup only. Raises `ModelError` for a weight that is beyond `dtype`.
    """
    tokens = tokenizer
    save_model(model, directory, tokens.end_id, tokens.pad_id, tokens.begin_id, tokens.end_ids, dtype=DTYPES[dtype])
    tokens.save(directory, max_length=model.config.max_seq_len)
