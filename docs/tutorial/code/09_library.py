"""`fine_tune_pretrained_model` on a small model of the village: with its defaults, and with settings that suit so little text."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from market import LINES as MARKET
from village import TRAINING_LINES as VILLAGE

import groundup as gu

folder = Path(tempfile.mkdtemp())
(folder / "village.txt").write_text("\n".join(VILLAGE))


def quiet(line: str) -> None:
    """Say nothing on the way."""


small = {
    "data.source": str(folder / "village.txt"),
    "tokenizer.kind": "bpe",  # made of bytes, so no new word is unknown to it
    "tokenizer.vocab_size": 300,
    "model.d_model": 48,
    "model.num_layers": 2,
    "model.num_heads": 2,
    "model.max_seq_len": 32,
    "training.max_steps": 100,
    "training.eval_steps": 100,
    "training.sample_tokens": 0,
    "training.num_threads": 1,
    "training.precision": "fp32",
}
base = gu.train("shakespeare", small, run=folder / "village", say=quiet)

same = {name: small[name] for name in ("training.num_threads", "training.precision")}
print("                         steps   last learning rate   held out: before   after")
after = {}
for name, settings in {
    "the defaults": {},
    "larger steps, sooner": {"training.learning_rate": 5e-3, "training.warmup_steps": 10, "training.eval_steps": 20},
}.items():
    output = folder / name
    model, tokenizer = gu.fine_tune_pretrained_model(
        base.path, MARKET[:80], MARKET[200:240], output, {**same, **settings}, say=quiet
    )
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    losses = [record["loss"] for record in records if record["kind"] == "validation"]
    rates = [record["learning_rate"] for record in records if record["kind"] == "train"]
    steps, after[name] = records[-1]["step"], min(losses)
    print(f"{name:25}{steps:5}{rates[-1]:21.6f}{losses[0]:19.1f}{after[name]:8.1f}")

assert after["larger steps, sooner"] < 0.5 * after["the defaults"]
