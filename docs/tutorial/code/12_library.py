"""What the library says beforehand: GPT-2's smallest shape on eight cards that are not here; and the same with less kept."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import tempfile
from pathlib import Path

from letter_runs import show

from groundup.cli.main import app

EMPTY = tempfile.mkdtemp()  # as if no text had been prepared on this machine: of one that has, a plan knows more
os.environ["GROUNDUP_CACHE"] = EMPTY
SHAPE = "model.preset=gpt2 model.d_model=768 model.num_layers=12 model.num_heads=12 model.d_ff=3072"
TEXT = "model.max_seq_len=1024 model.vocab_size=50257"
COMMAND = (
    f"groundup plan shakespeare {SHAPE} {TEXT} training.batch_size=480 training.max_steps=5000 --on h100 --count 8"
)


def memory(settings: str) -> dict[str, float]:
    """Gigabytes of a process by kind, each with all of the network."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        app([*shlex.split(COMMAND)[1:], *settings.split(), "--json"], standalone_mode=False)
    kinds = json.loads(printed.getvalue())["elsewhere"]["memory"]["ddp"]
    return {name: kinds[name] / 1e9 for name in ("weights", "gradients", "optimizer", "activations", "logits")}


told = show(f"{COMMAND} training.accumulation_steps=5", Path(EMPTY))
print("GB of a process         " + "".join(f"{name:>13}" for name in memory("")))
table = {}
for name, settings in {
    "60 rows at once": "",
    "12 rows at a time": "training.accumulation_steps=5",
    "each block twice": "training.activation_checkpointing=true",
    "both": "training.accumulation_steps=5 training.activation_checkpointing=true",
}.items():
    table[name] = memory(settings)
    print(f"{name:24}" + "".join(f"{size:13.2f}" for size in table[name].values()))

assert "all steps" in told
assert table["12 rows at a time"]["activations"] < 0.3 * table["60 rows at once"]["activations"]
assert table["each block twice"]["activations"] < 0.3 * table["60 rows at once"]["activations"]
