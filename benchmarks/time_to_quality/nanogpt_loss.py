"""The loss of a checkpoint that nanoGPT has just written here, over all of its validation file, in windows of 64.

python nanogpt_loss.py CHECKOUT OUT_DIR
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

checkout, out = Path(sys.argv[1]), Path(sys.argv[2])
sys.path.insert(0, str(checkout))
from model import GPT, GPTConfig  # type: ignore[import-not-found]  # noqa: E402

checkpoint = torch.load(out / "ckpt.pt", map_location="cpu", weights_only=True)
model = GPT(GPTConfig(**checkpoint["model_args"]))
model.load_state_dict(checkpoint["model"])
model.eval()
ids = torch.from_numpy(np.fromfile(checkout / "data" / "shakespeare_char" / "val.bin", np.uint16).astype(np.int64))
total = 0.0
with torch.inference_mode():
    for start in range(0, len(ids) - 1, 64):
        end = min(start + 64, len(ids) - 1)
        window, targets = ids[None, start:end], ids[start + 1 : end + 1]
        logits, _ = model(window, window)  # with targets it gives the logits of all places
        total += float(F.cross_entropy(logits[0], targets, reduction="sum"))
print(total / (len(ids) - 1))
