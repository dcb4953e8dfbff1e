"""The losses of a finished run's model on the last tenth of a text: in windows of 64, and of the model's own context.

python groundup_loss.py RUN TEXT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import groundup as gu
from groundup.language_model.token_losses import Window, window_losses

language_model = gu.load(sys.argv[1])
text = Path(sys.argv[2]).read_text(encoding="utf-8")
ids = language_model.tokenizer.encode(text[int(0.9 * len(text)) :])
losses = {}
for name, length in (("loss_64", 64), ("loss_own_context", language_model.model.config.max_seq_len)):
    starts = range(0, len(ids) - 1, length)
    windows = [Window(ids, start, start + 1, min(start + length, len(ids) - 1)) for start in starts]
    losses[name] = sum(window_losses(language_model.model, windows, 64)) / (len(ids) - 1)
print(json.dumps(losses))
