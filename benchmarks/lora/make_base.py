"""The model that every contender begins with: GPT-2's 124M shape with random weights, as a Hugging Face directory.

python -m benchmarks.lora.make_base '{"base": "a/folder", …}'
"""

from __future__ import annotations

from pathlib import Path

import torch
from benchmarks.throughput.protocol import shape

from groundup.model.directory import save_model
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer

S = shape()
torch.manual_seed(0)
network = {name: S[name] for name in ("vocab_size", "num_layers", "num_heads", "d_model", "dropout")}
save_model(Transformer(preset_config("gpt2", max_seq_len=1024, **network)), Path(S["base"]), end_id=0, pad_id=0)
